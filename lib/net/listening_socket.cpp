#include "listening_socket.hpp"

#include "bound_socket.hpp"
#include "socket_transport.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/net/address.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace bight::detail {

namespace {

constexpr std::chrono::milliseconds look_again{100};

int open_reserve() noexcept { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

// The connection failed before it was accepted, or was refused by a firewall's rule: the listener is well
// (accept(2)).
bool concerns_one_connection(int error) noexcept {
    switch (error) {
        case ECONNABORTED:
        case EPERM:
        case EPROTO:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH: return true;
        default: return false;
    }
}

bool means_exhaustion(int error) noexcept {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

listening_socket& listening_socket::make(reactor& home, int fd, exhaustion_policy policy,
                                         std::string unlink_path) {
    auto* made = new listening_socket(home, fd, policy, std::move(unlink_path));
    try {
        home.demultiplexer().attach(*made);
    } catch (...) {
        ::close(fd);
        if (!made->unlink_path_.empty()) ::unlink(made->unlink_path_.c_str());
        made->fd = -1;
        delete made;
        throw;
    }
    return *made;
}

listening_socket::listening_socket(reactor& home, int socket, exhaustion_policy policy,
                                   std::string&& unlink_path) noexcept
    : acceptor(home),
      accept_(*this),
      unlink_path_(std::move(unlink_path)),
      reserve_(open_reserve()),
      policy_(policy) {
    fd = socket;
    accept_.on = this;
}

listening_socket::~listening_socket() {
    if (reserve_ >= 0) ::close(reserve_);
}

bool listening_socket::start(accept_awaiter& waiting) noexcept {
    if (!demux || waiting_) {
        waiting.error_ = demux ? errc::busy : errc::closed;
        return true;
    }
    waiting_ = &waiting;
    ++demux->operations;
    if (!go_on()) return false;
    waiting_ = nullptr;
    return true;
}

// Accepts until there is an answer (true), or it has to wait.
bool listening_socket::go_on() noexcept {
    while (demux->start(accept_)) {
        if (settle_result()) return true;
        if (armed()) return false;
    }
    return false;
}

// True when the result of the accept answers the awaiter; else it is to be tried again, at once or when the
// timer fires.
bool listening_socket::settle_result() noexcept {
    const int result = accept_.result;
    if (result >= 0) {
        exhausted_ = false;
        waiting_->fd_ = result;
        return true;
    }
    if (!demux) {
        waiting_->error_ = errc::closed;
        return true;
    }
    if (concerns_one_connection(-result)) return false;
    if (means_exhaustion(-result)) {
        exhausted(-result);
        return false;
    }
    waiting_->error_ = std::error_code(-result, std::system_category());
    return true;
}

void listening_socket::exhausted(int error) noexcept {
    if (!exhausted_) {
        exhausted_ = true;
        std::string text = "cannot accept connections on ";
        describe(text);
        text += ": " + std::error_code(error, std::system_category()).message();
        text += policy_ == exhaustion_policy::shed
                    ? "; those that wait are refused until descriptors are free"
                    : "; they wait until descriptors are free";
        log(log_level::warning, text);
    }
    if (policy_ == exhaustion_policy::wait || !shed()) {
        home().arm(*this, saturating_add(home().now(), look_again));
    }
}

// Gives the reserve up, so that there is one descriptor to accept with, and empties the backlog.
bool listening_socket::shed() noexcept {
    if (reserve_ < 0) reserve_ = open_reserve();
    if (reserve_ < 0) return false;
    ::close(reserve_);
    bool any = false;
    for (int i = 0; i < SOMAXCONN; ++i) {
        const int got = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (got < 0) break;
        ::close(got);
        any = true;
    }
    reserve_ = open_reserve();
    return any;
}

void listening_socket::completed() noexcept {
    if (!waiting_) {  // nobody wants it any more
        if (accept_.result >= 0) ::close(accept_.result);
        return;
    }
    if (accept_.result == -ECANCELED && demux) {
        std::exchange(waiting_, nullptr)->confirm_cancel();
        return;
    }
    if (settle_result() || (!armed() && go_on())) std::exchange(waiting_, nullptr)->ready_now().resume();
}

void listening_socket::expired() noexcept {
    if (waiting_ && demux && go_on()) std::exchange(waiting_, nullptr)->ready();
}

void listening_socket::cancel_accept() noexcept {
    if (armed()) {
        home().disarm(*this);
    } else if (!accept_.in_flight || !demux || !demux->cancel(accept_)) {
        return;
    }
    std::exchange(waiting_, nullptr)->confirm_cancel();
}

void listening_socket::close() noexcept {
    if (!demux) return;
    if (armed()) {
        home().disarm(*this);
        accept_awaiter* w = std::exchange(waiting_, nullptr);
        w->error_ = errc::closed;
        w->ready();
    }
    if (!unlink_path_.empty()) ::unlink(unlink_path_.c_str());
    demux->detach(*this, true);
}

address listening_socket::local() const { return local_address(fd); }

void listening_socket::describe(std::string& out) const {
    const address here = local();
    out += here ? here.to_string() : "a closed listener";
}

// accept_awaiter

accept_awaiter::~accept_awaiter() {
    if (fd_ >= 0) ::close(fd_);
    if (kept_) on_->release();
}

bool accept_awaiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    on_->retain();
    kept_ = true;
    return on_->start(*this) ? finish_now() : true;
}

void accept_awaiter::cancel() noexcept { on_->cancel_accept(); }

void accept_awaiter::describe(std::string& out) const {
    out += "a connection to ";
    on_->describe(out);
}

stream accept_awaiter::take() { return stream(socket_transport::make(on_->home(), std::exchange(fd_, -1))); }

int accept_awaiter::take_descriptor(std::error_code& error) noexcept {
    error = error_;
    return std::exchange(fd_, -1);
}

stream accept_awaiter::await_resume() {
    if (error_) {
        std::string where;
        on_->describe(where);
        throw std::system_error(error_, "accept on " + where);
    }
    return take();
}

result<stream> accept_awaiter::take_result() noexcept {
    if (error_) return error_;
    try {
        return take();
    } catch (const std::system_error& e) {
        return e.code();
    } catch (const std::bad_alloc&) {
        return std::make_error_code(std::errc::not_enough_memory);
    }
}

}  // namespace bight::detail

namespace bight {

listener::listener(detail::acceptor& s) noexcept : socket_(&s) { s.retain(); }

void listener::close() noexcept {
    if (auto* s = std::exchange(socket_, nullptr)) {
        s->close();
        s->release();
    }
}

int listener::native_handle() const noexcept { return socket_ ? socket_->handle() : -1; }

address listener::local() const { return socket_ ? socket_->local() : address(); }

}  // namespace bight
