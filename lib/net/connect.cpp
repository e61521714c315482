#include <bight/net/connect.hpp>

#include "resolve.hpp"
#include "socket_calls.hpp"
#include "socket_transport.hpp"

#include <bight/core/reactor.hpp>
#include <bight/core/timeout.hpp>

#include <cerrno>
#include <utility>

namespace bight {

namespace {

using detail::operation_kind;
using detail::socket_transport;
using detail::waiter;

// Awaits the connection of a socket that is on its reactor already; gives 0 or -errno.
class connect_awaiter final : public waiter {
  public:
    connect_awaiter(socket_transport& t, const address& to) noexcept
        : operation_(*this), transport_(t), to_(to) {}

    bool await_ready() const noexcept { return false; }
    template <class P>
    BIGHT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<P> h) noexcept {
        if (!begin(h.promise())) return true;
        return transport_.start_connect(operation_, to_) ? finish_now() : true;
    }
    int await_resume() const noexcept { return static_cast<int>(operation_.result); }

    void cancel() noexcept override {
        if (transport_.cancel_connect(operation_)) confirm_cancel();
    }
    void describe(std::string& out) const override { out += "a connection to " + to_.to_string(); }

  private:
    class connecting final : public detail::connect_operation {
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

// The sockets of one attempt are closed with the stream.
task<int> try_address(const address to, const endpoint& where, stream& out) {
    detail::socket_calls& calls = detail::sockets_here();
    const int fd = calls.open(to.native_family());
    if (fd < 0) co_return fd;
    stream s(socket_transport::make(*reactor::current(), fd));
    if (!where.interface.empty()) {
        const address from = address::from_ip(where.interface, 0);
        const int bound = calls.bind(fd, from);
        if (bound < 0) co_return bound;
    }
    auto& t = static_cast<socket_transport&>(s.lower());
    const int result = co_await connect_awaiter(t, to);
    if (result == 0) {
        t.connected();
        out = std::move(s);
    }
    co_return result;
}

task<stream> connect_any(const endpoint& where) {
    std::vector<address> addresses;
    if (where.kind == endpoint::kind_type::unix_domain) {
        addresses.push_back(address::from_path(where.path));
    } else {
        // Named first: g++ 12 frees the temporary of a ?: in an awaiting expression from the wrong place (GCC
        // PR 99576).
        std::string host = where.host;
        if (host.empty()) host = "localhost";
        addresses =
            co_await detail::resolve(std::move(host), where.port, where.kind == endpoint::kind_type::tcp6);
    }
    int error = EHOSTUNREACH;
    std::string tried;
    for (const address& to : addresses) {
        stream s;
        const int result = co_await try_address(to, where, s);
        if (result == 0) co_return s;
        error = -result;
        tried += (tried.empty() ? "" : ", ") + to.to_string();
    }
    throw std::system_error(
        error, std::system_category(),
        "cannot connect to " + where.to_string() + (addresses.size() > 1 ? " (tried " + tried + ")" : ""));
}

// What is refused is left as it was.
stream adopt(const endpoint& where) {
    detail::socket_calls& calls = detail::sockets_here();
    const int fd = where.descriptor;
    const auto refuse = [&](int error, const char* why) {
        throw std::system_error(error, std::system_category(), "cannot use " + where.to_string() + why);
    };
    const int streams = calls.is_stream(fd);
    if (streams < 0) refuse(-streams, "");
    if (!streams) refuse(EPROTOTYPE, ": it is a socket of datagrams or packets, and no stream");
    const int listening = calls.listens(fd);
    if (listening < 0) refuse(-listening, "");
    if (listening) refuse(EINVAL, ": it listens, and is no connection");
    const int copy = calls.duplicate(fd);
    if (copy < 0) refuse(-copy, "");
    return stream(socket_transport::make(*reactor::current(), copy));
}

}  // namespace

task<stream> connect(endpoint where, connect_options options) {
    if (where.kind == endpoint::kind_type::descriptor) co_return adopt(where);
    const duration limit = where.timeout >= duration::zero() ? where.timeout : options.timeout;
    auto connected = co_await try_with_timeout(connect_any(where), limit);
    if (!connected) {
        throw std::system_error(errc::timed_out, "cannot connect to " + where.to_string());
    }
    co_return std::move(*connected);
}

task<stream> connect(std::string where, connect_options options) {
    endpoint parsed = endpoint::parse(where);
    co_return co_await connect(std::move(parsed), options);
}

}  // namespace bight
