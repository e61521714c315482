// give_much_room, wait_until_arrived: sockets that hold megabytes which nobody has read.
#pragma once

#include "support/catch.hpp"

#include <sys/ioctl.h>
#include <sys/socket.h>

#ifdef __linux__
#include <linux/sockios.h>
#endif

namespace test {

#ifdef __linux__

inline constexpr const char* no_much_room = "without CAP_NET_ADMIN no socket has room for so much";

/// Room for 16 MiB that nobody reads, whatever the limit of the system (socket(7), SO_RCVBUFFORCE). False
/// where that is not allowed.
inline bool give_much_room(int fd) {
    const int room = 16 << 20;
    return ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) == 0;
}

/// Until the peer has acknowledged all that was sent (tcp(7), SIOCOUTQ).
inline void wait_until_arrived(int fd) {
    for (int left = 1; left > 0;) REQUIRE(::ioctl(fd, SIOCOUTQ, &left) == 0);
}

#else

inline constexpr const char* no_much_room =
    "only Linux gives a socket more room than its limit (SO_RCVBUFFORCE)";

inline bool give_much_room(int) { return false; }
inline void wait_until_arrived(int) {}

#endif

}  // namespace test
