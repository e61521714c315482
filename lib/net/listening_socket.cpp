#include "listening_socket.hpp"

#include "bound_socket.hpp"
#include "socket_transport.hpp"

#include "../core/process.hpp"
#include "../core/system_error.hpp"
#include "../demux/descriptor_calls.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/io/address.hpp>
#include <bight/net/descriptor_passing.hpp>

#include <cerrno>
#include <chrono>
#include <new>
#include <utility>
#include <vector>

namespace bight::detail {

namespace {

constexpr std::chrono::milliseconds look_again{100};
// After this many attempts without a connection it pauses.
constexpr std::uint32_t most_failures_in_a_row = 64;

// The connection failed before it was accepted, or a firewall refused it, or a signal came: the listener
// itself works (accept(2)).
bool concerns_one_connection(int error) noexcept {
    switch (errno_of(error)) {
        case ECONNABORTED:
        case ECONNRESET:  // Windows
        case EPERM:
        case EPROTO:
        case ENETDOWN:
        case ENOPROTOOPT:
#ifdef EHOSTDOWN
        case EHOSTDOWN:
#endif
#ifdef ENONET
        case ENONET:
#endif
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH:
        case EINTR: return true;
        default: return false;
    }
}

bool out_of_descriptors(int error) noexcept { return errno_of(error) == EMFILE || errno_of(error) == ENFILE; }

bool means_exhaustion(int error) noexcept {
    return out_of_descriptors(error) || errno_of(error) == ENOBUFS || errno_of(error) == ENOMEM;
}

}  // namespace

listening_socket& listening_socket::make(reactor& home, int fd, exhaustion_policy policy,
                                         listener_traces traces) {
    listening_socket* made = nullptr;
    try {
        made = new listening_socket(home, fd, policy, std::move(traces));
        demultiplexer_of(home).attach(*made);
        made->was_blocking = made->traces_.was_blocking;
        made->is_shared = made->traces_.is_shared;
    } catch (...) {
        socket_calls& calls = demultiplexer_of(home).sockets();
        (made ? made->traces_ : traces).remove(calls, fd);
        calls.close(fd);
        if (made) made->fd = -1;
        delete made;
        throw;
    }
    return *made;
}

listening_socket::listening_socket(reactor& home, int socket, exhaustion_policy policy,
                                   listener_traces traces) noexcept
    : acceptor(home),
      accept_(*this),
      calls_(demultiplexer_of(home).sockets()),
      traces_(std::move(traces)),
      reserve_(calls_.open_reserve()),
      policy_(policy),
      made_in_(this_process()) {
    fd = socket;
    accept_.on = this;
}

listening_socket::~listening_socket() {
    if (reserve_ >= 0 && calls_remain()) calls_.close(reserve_);
}

// The calls of a simulated host end with it.
bool listening_socket::calls_remain() const noexcept { return demux || &calls_ == &kernel_sockets(); }

bool listening_socket::start(accept_awaiter& waiting) noexcept {
    if (!demux || waiting_) {
        waiting.error_ = demux ? errc::busy : errc::closed;
        return true;
    }
    waiting_ = &waiting;
    cancel_asked_ = false;
    ++demux->operations;
    if (!go_on()) return false;
    waiting_ = nullptr;
    return true;
}

// Accepts until there is an answer (true), or it must wait (false).
bool listening_socket::go_on() noexcept {
    while (demux->start(accept_)) {
        if (settle_result()) return true;
        if (armed()) return false;
    }
    return false;
}

// True when the result of the accept answers the awaiter; otherwise it must be tried again, at once or when
// the timer fires.
bool listening_socket::settle_result() noexcept {
    const int result = static_cast<int>(accept_.result);
    if (result >= 0) {
        warned_ = false;
        failures_ = 0;
        waiting_->fd_ = result;
        return true;
    }
    if (!demux) {
        waiting_->error_ = errc::closed;
        return true;
    }
    if (means_exhaustion(-result)) {
        exhausted(-result);
        return false;
    }
    if (concerns_one_connection(-result)) {
        if (++failures_ == most_failures_in_a_row) {
            warn(-result, "; it is tried again ten times a second");
            pause();
        }
        return false;
    }
    waiting_->error_ = system_error_code(-result);
    return true;
}

void listening_socket::exhausted(int error) noexcept {
    warn(error, policy_ == exhaustion_policy::shed
                    ? "; those that wait are refused until there is room (see ulimit -n, max_connections)"
                    : "; they wait until there is room (see ulimit -n, max_connections)");
    // Connections that have sent everything hold descriptors only while they linger for their peers.
    if (out_of_descriptors(error) && detail::reactor_access::hurry_leftovers(home())) return;
    if (policy_ == exhaustion_policy::wait || !shed() || ++failures_ == most_failures_in_a_row) pause();
}

// Warns once, until a connection is accepted again.
void listening_socket::warn(int error, const char* what_follows) noexcept {
    if (std::exchange(warned_, true)) return;
    try {
        std::string text = "cannot accept connections on ";
        describe(text);
        text += ": " + system_error_code(error).message() + what_follows;
        log(log_level::warning, text);
    } catch (const std::bad_alloc&) {  // no memory for the message: warn later
        warned_ = false;
    }
}

void listening_socket::pause() noexcept {
    failures_ = 0;
    detail::reactor_access::arm(home(), *this, saturating_add(home().now(), look_again));
}

// Closes the reserve, so that there is a descriptor to accept with, and empties the backlog.
bool listening_socket::shed() noexcept {
    if (reserve_ < 0) reserve_ = calls_.open_reserve();
    if (reserve_ < 0) return false;
    calls_.close(reserve_);
    bool any = false;
    for (int i = 0; i < SOMAXCONN; ++i) {
        if (is_shared) keep_non_blocking(*this);
        const int got = calls_.accept(fd);
        if (got < 0) break;
        calls_.close(got);
        any = true;
    }
    reserve_ = calls_.open_reserve();
    return any;
}

void listening_socket::completed() noexcept {
    if (!waiting_) {  // no task waits for it any more
        if (accept_.result >= 0) calls_.close(static_cast<int>(accept_.result));
        return;
    }
    if (accept_.result == -ECANCELED && (demux || cancel_asked_)) {
        std::exchange(waiting_, nullptr)->confirm_cancel();
        return;
    }
    const bool answered = settle_result();
    if (!answered && cancel_asked_) {  // too late for this operation, but not before another try
        if (armed()) detail::reactor_access::disarm(home(), *this);
        std::exchange(waiting_, nullptr)->confirm_cancel();
    } else if (answered || (!armed() && go_on())) {
        std::exchange(waiting_, nullptr)->ready_now().resume();
    }
}

void listening_socket::expired() noexcept {
    if (waiting_ && demux && go_on()) std::exchange(waiting_, nullptr)->ready();
}

void listening_socket::cancel_accept() noexcept {
    if (armed()) {
        detail::reactor_access::disarm(home(), *this);
    } else if (!accept_.in_flight || !demux || !demux->cancel(accept_)) {
        cancel_asked_ = true;
        return;
    }
    std::exchange(waiting_, nullptr)->confirm_cancel();
}

// Once the socket is closed, a successor may have the file's name, and the number of its inode.
// (A simulated host leaves its files, as a killed program does.)
void listening_socket::abandoned() noexcept {
    if (made_in_ == this_process() && &calls_ == &kernel_sockets()) traces_.remove_file(calls_);
}

void listening_socket::close() noexcept {
    if (!demux) return;  // the reactor has gone, and has closed the socket
    if (armed()) {
        detail::reactor_access::disarm(home(), *this);
        accept_awaiter* w = std::exchange(waiting_, nullptr);
        w->error_ = errc::closed;
        w->ready();
    }
    // In a forked child the socket and its file belong to the parent, which goes on listening.
    if (made_in_ == this_process()) traces_.remove(calls_, fd);
    demux->detach(*this, true);
}

// Whether the accept ends without the socket: with the connection that it has, which is its task's; or, when
// it was cancelled while it was queued for a try, with none.
bool listening_socket::will_end() const noexcept {
    const bool is_dropped = accept_.cancel_asked && !accept_.underway;
    return accept_.in_flight && (accept_.settled || is_dropped);
}

std::error_code listening_socket::release_socket(released_listener& to) {
    if (!demux) return errc::closed;
    if ((waiting_ || accept_.in_flight) && !will_end()) return errc::busy;
    std::vector<int>* ahead = nullptr;
    if (!demux->stop_accepting(*this, ahead)) return errc::busy;
    if (ahead) {
        to.accepted.reserve(ahead->size());
        for (const int connection : *ahead) to.accepted.emplace_back(connection);
        ahead->clear();
    }
    to.socket = owned_descriptor(static_cast<int>(fd));
    // The file is for those who connect, wherever the socket is.
    if (traces_.was_blocking) calls_.set(fd, socket_calls::option::non_blocking, false);
    traces_ = {};
    was_blocking = false;
    demux->detach(*this, false);
    return {};
}

address listening_socket::local() const { return fd >= 0 ? calls_.local(fd) : address(); }

void listening_socket::describe(std::string& out) const {
    const address here = local();
    out += here ? here.to_string() : "a closed listener";
}

}  // namespace bight::detail
