// make_receive_room, unread_bytes: what a socket holds that nobody has read.
#pragma once

#include <sys/ioctl.h>
#include <sys/socket.h>

namespace test {

/// Makes room in the socket for `size` bytes that nobody has read; false where the system does not give so
/// much.
inline bool make_receive_room(int fd, int size) {
#ifdef SO_RCVBUFFORCE  // of Linux, for those with CAP_NET_ADMIN
    return ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) == 0;
#else
    int given = 0;
    socklen_t length = sizeof given;
    return ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0 &&
           ::getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &given, &length) == 0 && given >= size;
#endif
}

inline std::size_t unread_bytes(int fd) {
    int count = 0;
    return ::ioctl(fd, FIONREAD, &count) == 0 ? static_cast<std::size_t>(count) : 0;
}

}  // namespace test
