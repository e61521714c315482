// open_descriptors: so that tests can see what was not closed.
#pragma once

#ifdef _WIN32
#include "windows/posix.hpp"
#else
#include <dirent.h>
#include <fcntl.h>
#endif

#include <set>

namespace test {

/// How many descriptors this process has open; on Windows, how many sockets.
inline int open_descriptors() {
#ifdef _WIN32
    return posix::open_sockets();
#else
#ifdef __linux__
    DIR* dir = ::opendir("/proc/self/fd");
#else
    DIR* dir = ::opendir("/dev/fd");
#endif
    if (!dir) return -1;
    int count = 0;
    while (::readdir(dir)) ++count;
    ::closedir(dir);
    return count - 3;  // ".", "..", and the directory's own descriptor
#endif
}

/// The numbers of those below 4,096.
inline std::set<int> descriptor_numbers() {
#ifdef _WIN32
    constexpr int step = 4;  // Windows ignores the two low bits of a handle
#else
    constexpr int step = 1;
#endif
    std::set<int> found;
    for (int fd = 0; fd < 4096; fd += step) {
        if (::fcntl(fd, F_GETFD) >= 0) found.insert(fd);
    }
    return found;
}

}  // namespace test
