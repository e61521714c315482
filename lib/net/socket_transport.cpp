#include "socket_transport.hpp"

#include <bight/core/reactor.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace bight::detail {

namespace {

std::error_code from_errno(int error) noexcept { return {error, std::system_category()}; }

}  // namespace

socket_transport& socket_transport::make(reactor& home, int socket) {
    struct closed_on_error {
        int fd;
        ~closed_on_error() {
            if (fd >= 0) ::close(fd);
        }
    } guard{socket};
    auto* t = new socket_transport(home, socket);
    try {
        home.demultiplexer().attach(*t);
    } catch (...) {
        t->fd = -1;
        delete t;
        throw;
    }
    guard.fd = -1;
    if (t->tcp_) t->set_no_delay(true);
    return *t;
}

socket_transport::socket_transport(reactor& home, int socket) noexcept
    : transport(home), receive_(*this), send_(*this) {
    fd = socket;
    receive_.on = send_.on = this;
    send_.kind = operation_kind::send;
    int domain = 0;
    socklen_t size = sizeof domain;
    tcp_ = ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
           (domain == AF_INET || domain == AF_INET6);
    short_read_empties = tcp_;
}

void socket_transport::unused() noexcept {
    if (is_open()) close();
    delete this;
}

bool socket_transport::start_connect(connect_operation& op, const address& to) noexcept {
    op.on = this;
    op.address = static_cast<const sockaddr*>(to.native());
    op.address_size = static_cast<socklen_t>(to.native_size());
    return demux->start(op);
}

bool socket_transport::cancel_connect(connect_operation& op) noexcept {
    return op.in_flight && demux && demux->cancel(op);
}

bool socket_transport::read(read_request& request) noexcept {
    if (end_ <= 0) {
        request.count = 0;
        if (end_ < 0) request.set_error(from_errno(-end_));
        return true;
    }
    if (request.into.data) {
        receive_.kind = operation_kind::receive_into;
        receive_.memory = request.into;
    } else {
        receive_.kind = operation_kind::receive;
    }
    if (!demux->start(receive_)) return false;
    request.set_error(take_receive(request));
    return true;
}

std::error_code socket_transport::take_receive(read_request& request) noexcept {
    const int result = receive_.result;
    if (result > 0) {
        request.count = static_cast<std::size_t>(result);
        request.data = std::move(receive_.data);
        return {};
    }
    if (aborted_) return aborted_;
    if (result == -ENOMEM) return from_errno(ENOMEM);  // of this process: nothing is lost
    end_ = result;  // it stays so, whatever the kernel says the next time
    return result == 0 ? std::error_code{} : from_errno(-result);
}

void socket_transport::received() noexcept {
    read_request* request = reader();
    if (!request) return;
    if (receive_.result == -ECANCELED && !aborted_) {
        request->complete_cancelled();
    } else {
        request->complete_now(take_receive(*request));
    }
}

void socket_transport::cancel_read() noexcept {
    if (receive_.in_flight && demux && demux->cancel(receive_)) reader()->complete_cancelled();
}

bool socket_transport::write(write_request& request) noexcept {
    send_.pieces = request.pieces;
    send_.piece_count = request.count;
    if (!demux->start(send_)) return false;
    request.set_error(send_outcome());
    return true;
}

std::error_code socket_transport::send_outcome() const noexcept {
    if (send_.result >= 0) return {};
    return aborted_ ? aborted_ : from_errno(-send_.result);
}

void socket_transport::sent() noexcept {
    write_request* request = writer();
    if (!request) return;
    if (send_.result == -ECANCELED && !aborted_) {
        request->complete_cancelled();
    } else {
        request->complete_now(send_outcome());
    }
}

void socket_transport::cancel_write() noexcept {
    if (send_.in_flight && demux && demux->cancel(send_)) writer()->complete_cancelled();
}

std::error_code socket_transport::shutdown_write() noexcept {
    if (::shutdown(fd, SHUT_WR) == 0 || errno == ENOTCONN) return {};
    return from_errno(errno);
}

// The peer gets everything and then the end of the stream. Bytes that nobody read would turn the end into a reset, which can
// destroy what is still on its way to the peer (RFC 1122, 4.2.2.13): they are thrown away first.
void socket_transport::close() noexcept {
    if (!is_open()) return;
    if (!aborted_) aborted_ = errc::closed;
    ::shutdown(fd, SHUT_WR);
    if (tcp_) {
        for (int round = 0; round < 16; ++round) {
            if (::recv(fd, nullptr, std::size_t{1} << 20, MSG_TRUNC | MSG_DONTWAIT) <= 0) break;
        }
    }
    detach_now();
}

void socket_transport::abort(std::error_code reason) noexcept {
    if (!is_open()) return;
    aborted_ = reason ? reason : make_error_code(errc::aborted);
    const linger reset{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    detach_now();
}

void socket_transport::detach_now() noexcept {
    retain();
    demux->detach(*this, true);
    release();
}

address socket_transport::peer() const {
    sockaddr_storage a{};
    socklen_t size = sizeof a;
    if (fd < 0 || ::getpeername(fd, reinterpret_cast<sockaddr*>(&a), &size) < 0) return {};
    return address::from_native(&a, size);
}

address socket_transport::local() const {
    sockaddr_storage a{};
    socklen_t size = sizeof a;
    if (fd < 0 || ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size) < 0) return {};
    return address::from_native(&a, size);
}

std::error_code socket_transport::set_no_delay(bool on) noexcept {
    if (!tcp_) return {};
    const int value = on;
    if (::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) == 0) return {};
    return from_errno(errno);
}

std::error_code socket_transport::set_keep_alive(bool on) noexcept {
    const int value = on;
    if (::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value) == 0) return {};
    return from_errno(errno);
}

void socket_transport::describe(std::string& out) const {
    if (fd < 0) {
        out += "a closed connection";
        return;
    }
    const address from = peer();
    out += (from ? from : local()).to_string();
    out += " (fd " + std::to_string(fd) + ")";
}

}  // namespace bight::detail
