// What POSIX systems tell of a descriptor.
#include "fd_poller.hpp"

#include <poll.h>
#include <sys/stat.h>

#include <cerrno>

namespace bight::detail {

int identify(int fd, fd_identity& file) noexcept {
    struct stat known{};
    if (::fstat(fd, &known) < 0) return -errno;
    file = {static_cast<std::uint64_t>(known.st_dev), static_cast<std::uint64_t>(known.st_ino)};
    return 0;
}

int ready_now(int fd, fd_event asked) noexcept {
    const int wanted = (includes(asked, fd_event::readable) ? POLLIN : 0) |
                       (includes(asked, fd_event::writable) ? POLLOUT : 0) |
                       (includes(asked, fd_event::priority) ? POLLPRI : 0);
    pollfd looked{fd, static_cast<short>(wanted), 0};
    int count = 0;
    do {
        count = fd < 0 ? -1 : ::poll(&looked, 1, 0);
    } while (count < 0 && fd >= 0 && errno == EINTR);
    if (fd < 0 || (looked.revents & POLLNVAL) != 0) return -EBADF;
    if (count < 0) return -errno;
    if ((looked.revents & (POLLERR | POLLHUP)) != 0) return static_cast<int>(asked);
    fd_event ready = fd_event::none;
    if ((looked.revents & POLLIN) != 0) ready |= fd_event::readable;
    if ((looked.revents & POLLOUT) != 0) ready |= fd_event::writable;
    if ((looked.revents & POLLPRI) != 0) ready |= fd_event::priority;
    return static_cast<int>(ready & asked);
}

}  // namespace bight::detail
