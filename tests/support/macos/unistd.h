// The system's, and what tests use of Linux's.
#pragma once

#include_next <unistd.h>

#include <fcntl.h>

inline int pipe2(int* ends, int flags) {
    if (::pipe(ends) != 0) return -1;
    for (int i = 0; i < 2; ++i) {
        if (flags & O_CLOEXEC) ::fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        if (flags & O_NONBLOCK) ::fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
}
