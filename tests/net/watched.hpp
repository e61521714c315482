// What the tests of fd_watch watch, and how they run it.
#pragma once

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/when_any.hpp>
#include <bight/net/fd_watch.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <system_error>
#include <utility>

namespace test {

inline constexpr bight::fd_interest to_read{.readable = true};
inline constexpr bight::fd_interest to_write{.writable = true};
inline constexpr bight::fd_interest for_priority{.priority = true};

/// Two connected sockets that do not block.
struct socket_pair {
    socket_pair() {
        int ends[2] = {-1, -1};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        ours = raw_socket(ends[0]);
        theirs = raw_socket(ends[1]);
    }
    int fd() const { return ours.get(); }
    void drain() const {
        char bytes[64];
        while (::recv(ours.get(), bytes, sizeof bytes, 0) > 0) {
        }
    }
    raw_socket ours;
    raw_socket theirs;
};

/// Two ends of a TCP connection.
struct tcp_pair {
    tcp_pair() {
        const raw_socket listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in where{};
        where.sin_family = AF_INET;
        where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* const address = reinterpret_cast<sockaddr*>(&where);
        socklen_t size = sizeof where;
        REQUIRE(::bind(listening.get(), address, size) == 0);
        REQUIRE(::getsockname(listening.get(), address, &size) == 0);
        REQUIRE(::listen(listening.get(), 1) == 0);
        theirs = raw_socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        REQUIRE(::connect(theirs.get(), address, size) == 0);
        ours = raw_socket(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    }
    int fd() const { return ours.get(); }
    raw_socket ours;
    raw_socket theirs;
};

/// The code of the std::system_error that a call throws; none when it succeeds.
template <class F>
std::error_code code_of(F call) {
    try {
        call();
        return {};
    } catch (const std::system_error& e) {
        return e.code();
    }
}

/// Whether the system tells of urgent data, which the kqueue of some does not.
inline bool tells_of_urgent_data() {
    static const bool tells = [] {
        const tcp_pair pair;
        bight::fd_watch watch;
        const auto add = [&] { watch.add(pair.fd(), for_priority, [](bight::fd_readiness) {}); };
        const bool refused = code_of(add) == std::errc::operation_not_supported;
        watch.remove_all();
        return !refused;
    }();
    return tells;
}

/// Waits for something that the handlers of a watch do.
template <class Condition>
bight::task<> until(Condition holds) {
    while (!holds()) co_await bight::yield();
}

/// Whether the reactor sleeps while a task waits for a timer: that takes a few looks at the kernel, where a
/// watch that something keeps awake takes thousands.
inline bight::task<bool> sleeps(bight::reactor& r) {
    const auto before = r.statistics();
    co_await bight::sleep_for(std::chrono::milliseconds(20));
    const auto after = r.statistics();
    co_return after.polls - before.polls < 20 && after.resumptions - before.resumptions < 20;
}

/// Runs `body(watch, reactor)` beside a watch, on each demultiplexer.
template <class Body>
void beside_a_watch(Body body) {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    reactor_fixture on(kind);
    bight::fd_watch watch;
    on.run(
        [&]() -> bight::task<> { (void)co_await bight::when_any(watch.run(), body(watch, on.reactor())); });
}

}  // namespace test
