// open_descriptors: so that tests can see what was not closed.
#pragma once

#ifdef _WIN32
#include "windows/posix.hpp"
#else
#include <dirent.h>
#endif

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

}  // namespace test
