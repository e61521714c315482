#include "child_pipe.hpp"

#include "../core/system_error.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace bight::detail {

int make_blocking_pipe(pipe_ends& made) noexcept {
    int both[2];
#if defined(__APPLE__)
    // A program that another thread starts between the calls inherits them.
    if (::pipe(both) < 0) return -errno;
    for (const int fd : both) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
#else
    if (::pipe2(both, O_CLOEXEC) < 0) return -errno;
#endif
    made = {both[0], both[1]};
    return 0;
}

pipe_ends open_pipe(const std::string& what) {
    pipe_ends made;
    if (const int error = make_blocking_pipe(made); error < 0) {
        throw std::system_error(system_error_code(-error), what);
    }
    return made;
}

}  // namespace bight::detail
