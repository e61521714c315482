#include "child_pipe.hpp"

#include "../core/system_error.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

namespace bight::detail {

int above_standard(int fd) noexcept {
    if (fd < 0 || fd > 2) return fd;
    const int made = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    const int error = errno;
    ::close(fd);
    return made < 0 ? -error : made;
}

int make_blocking_pipe(pipe_ends& made) noexcept {
    int both[2];
#if defined(__APPLE__)
    // A program that another thread starts between the calls inherits them.
    if (::pipe(both) < 0) return -errno;
    for (const int fd : both) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
#else
    if (::pipe2(both, O_CLOEXEC) < 0) return -errno;
#endif
    made = {above_standard(both[0]), above_standard(both[1])};
    const int error = std::min({made.reads, made.writes, 0});
    if (error < 0) {
        if (made.reads >= 0) ::close(made.reads);
        if (made.writes >= 0) ::close(made.writes);
    }
    return error;
}

pipe_ends open_pipe(const std::string& what) {
    pipe_ends made;
    if (const int error = make_blocking_pipe(made); error < 0) {
        throw std::system_error(system_error_code(-error), what);
    }
    return made;
}

}  // namespace bight::detail
