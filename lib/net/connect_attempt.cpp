#include "connect_attempt.hpp"

#include "../demux/socket_calls.hpp"
#include "socket_transport.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/sleep.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>

namespace bight::detail {

namespace {

using namespace std::chrono_literals;

// Awaits the connect of a socket that is attached to its reactor; gives 0 or a negative error number.
class connect_awaiter final : public waiter, public awaiter_base<connect_awaiter> {
  public:
    connect_awaiter(socket_transport& t, const address& to) noexcept
        : operation_(*this), transport_(t), to_(to) {}

    int await_resume() const noexcept { return static_cast<int>(operation_.result); }

    void cancel() noexcept override {
        if (transport_.cancel_connect(operation_)) confirm_cancel();
    }
    void describe(std::string& out) const override { out += "a connection to " + to_.to_string(); }

  private:
    friend awaiter_base<connect_awaiter>;
    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        return transport_.start_connect(operation_, to_) ? finish_now() : true;
    }
    class connecting final : public connect_operation {
      public:
        explicit connecting(connect_awaiter& w) noexcept : waiter_(w) { kind = operation_kind::connect; }

      private:
        void completed() noexcept override { waiter_.connected(); }
        connect_awaiter& waiter_;
    };

    void connected() noexcept {
        if (operation_.result == -ECANCELED) {
            confirm_cancel();
        } else {
            ready_now().resume();
        }
    }

    connecting operation_;
    socket_transport& transport_;
    const address to_;
};

// The peer has accepted and already reset the connection before this reactor looked. (A reset in answer to
// the SYN would be ECONNREFUSED.) What the peer sent before can still be read (tcp_reset in Linux). The
// outcome is the same as if the reactor had been quicker: reads get the reset.
bool was_made(int error) noexcept { return errno_of(error) == ECONNRESET || errno_of(error) == EPIPE; }

bool meets_itself(socket_calls& calls, int fd, const address& to) noexcept {
    if (to.family() == address::family_type::unix_domain) return false;
    const address own = calls.local(fd);
    return own.port() == to.port() && own == calls.peer(fd);
}

address local_address(const address& to, const connect_setup& setup) {
    if (setup.from || setup.local_port == 0) return setup.from;
    return address::from_ip(to.family() == address::family_type::ipv6 ? "::" : "0.0.0.0", setup.local_port);
}

}  // namespace

task<stream> connect_to(connect_attempt& a, const connect_setup& setup) {
    socket_calls& calls = sockets_here();
    const int fd = calls.open(a.to.native_family(), socket_type::stream);
    if (fd < 0) {
        a.error = -fd;
        co_return stream();
    }
    stream s(socket_transport::make(*reactor::current(), fd));
    auto& t = static_cast<socket_transport&>(s.lower());
    if (setup.options != socket_options()) {
        t.set_options(setup.options, "the socket for " + a.to.to_string());
    }
    if (const address from = local_address(a.to, setup)) {
        // Otherwise a port of one's own choice would be in use for a minute after its connection has ended,
        // and one that the kernel chooses would not serve for other destinations at the same time (ip(7)).
        (void)calls.set(
            fd,
            from.port() != 0 ? socket_calls::option::reuse_address : socket_calls::option::port_at_connect,
            true);
        const int bound = calls.bind(fd, from);
        if (bound < 0) {
            a.error = -bound;
            co_return stream();
        }
    }
    // The kernel does not report when the backlog of a Unix socket has room again (connect(2), EAGAIN), so it
    // must be polled: often at first, for a server that is merely busy, then less often, for one that hangs.
    const bool may_wait = a.to.family() == address::family_type::unix_domain;
    for (auto pause = 1ms;; pause = std::min(2 * pause, 64ms)) {
        const int result = co_await connect_awaiter(t, a.to);
        a.error = -result;
        if (a.error != EAGAIN || !may_wait) break;
        co_await sleep_for(pause);
    }
    int told = 0;
    if (was_made(a.error)) told = std::exchange(a.error, 0);
    if (a.error != 0) co_return stream();
    if (meets_itself(calls, fd, a.to)) {
        s.abort();  // a graceful close would block the server's port for a minute (TIME-WAIT)
        a.error = ECONNREFUSED;
        co_return stream();
    }
    t.connected(told);
    co_return s;
}

}  // namespace bight::detail
