// make_child_pipe: the pipe through which a forked child reports.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace bight::sim::detail {

/// Blocking and close-on-exec. Throws std::system_error.
inline void make_child_pipe(int (&ends)[2]) {
    if (::pipe(ends) != 0) throw std::system_error(errno, std::system_category(), "pipe");
    for (const int end : ends) ::fcntl(end, F_SETFD, FD_CLOEXEC);
}

}  // namespace bight::sim::detail
