// duplicate, duplicate_as, socket_pair_as: other descriptors of the same socket, and descriptors of a certain
// number.
#pragma once

#include "catch.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>
#include <vector>

namespace test {

#ifdef _WIN32

inline int duplicate(int fd) { return ::dup(fd); }

/// With that number, which is free; -1 when it cannot be had. Windows chooses the numbers, and gives those
/// that were freed again.
inline int duplicate_as(int fd, int number) {
    std::vector<int> others;
    int found = -1;
    for (int tries = 0; found < 0 && tries < 100; ++tries) {
        const int copy = ::dup(fd);
        if (copy == number) found = copy;
        if (copy >= 0 && copy != number) others.push_back(copy);
    }
    for (const int other : others) ::close(other);
    return found;
}

#else

inline int duplicate(int fd) { return ::fcntl(fd, F_DUPFD_CLOEXEC, 0); }

/// With that number, if it is free.
inline int duplicate_as(int fd, int number) { return ::fcntl(fd, F_DUPFD_CLOEXEC, number); }

#endif

/// Connected sockets, of which the first has that number, which is free.
inline void socket_pair_as(int number, int (&ends)[2]) {
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    if (ends[1] == number) std::swap(ends[0], ends[1]);
    if (ends[0] != number) {
        const int copy = duplicate_as(ends[0], number);
        ::close(std::exchange(ends[0], copy));
    }
    REQUIRE(ends[0] == number);
}

}  // namespace test
