// listening_socket: what bight is given to listen on.
#pragma once

#include "support/catch.hpp"
#include "support/connections.hpp"

#include <sys/socket.h>

namespace test {

/// A plain socket that listens on 127.0.0.1.
inline raw_socket listening_socket(bool blocking = true) {
    raw_socket s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0));
    const auto at = bight::address::from_ip("127.0.0.1", 0);
    REQUIRE(::bind(s.get(), static_cast<const sockaddr*>(at.native()),
                   static_cast<socklen_t>(at.native_size())) == 0);
    REQUIRE(::listen(s.get(), 8) == 0);
    return s;
}

}  // namespace test
