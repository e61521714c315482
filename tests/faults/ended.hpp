// anywhere, ended: where listeners in trouble are, and what became of their connections.
#pragma once

#include "support/connections.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace test {

inline constexpr const char* anywhere = "tcp:0:interface=127.0.0.1";

/// Whether its peer has closed or reset it.
inline bool ended(const raw_socket& s) {
    char byte = 0;
    const auto got = ::recv(s.get(), &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno == ECONNRESET);
}

}  // namespace test
