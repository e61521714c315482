// What tests of sharded listeners share.
#pragma once

#include "serving.hpp"

#include "support/connections.hpp"
#include "support/echo.hpp"

#include <bight/bight.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace test {

inline constexpr const char* loopback = "tcp:0:interface=127.0.0.1";

/// Whether several sockets can share a port.
inline bool has_reuse_port() {
    static const bool has = [] {
        const raw_socket s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const int on = 1;
        return ::setsockopt(s.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
    }();
    return has;
}

/// The ways to spread connections that this system has.
inline std::vector<bight::sharding> shardings() {
    if (!has_reuse_port()) return {bight::sharding::hand_over};
    return {bight::sharding::reuse_port, bight::sharding::hand_over};
}

inline bight::listen_options spread(bight::sharding how) {
    bight::listen_options options;
    options.sharding = how;
    return options;
}

// Answers with one letter, the reactor that it is on, and waits for the peer's end.
struct names_reactor {
    bight::runtime& all;
    bight::task<> operator()(bight::stream peer) const {
        const std::string name(1, static_cast<char>('0' + all.index_here()));
        co_await peer.write(name);
        co_await peer.read_some();
    }
};

inline char first_byte(const raw_socket& s) {
    const timeval bound{20, 0};
    ::setsockopt(s.get(), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    char c = 0;
    ssize_t got = 0;
    do got = ::recv(s.get(), &c, 1, 0);
    while (got < 0 && errno == EINTR);  // an io_uring of this thread that is being taken down
    return got == 1 ? c : '\0';
}

inline bool says_something(const raw_socket& s, int milliseconds) {
    pollfd p{s.get(), POLLIN, 0};
    return ::poll(&p, 1, milliseconds) > 0;
}

}  // namespace test
