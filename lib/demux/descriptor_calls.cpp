#include "descriptor_calls.hpp"

#include "operation.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace bight::detail {

void close_descriptor(int fd) noexcept { ::close(fd); }

int is_blocking(int fd) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    return flags < 0 ? -errno : (flags & O_NONBLOCK) == 0 ? 1 : 0;
}

int set_non_blocking(int fd) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    return flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

void set_blocking(int fd) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0) ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

void keep_non_blocking(descriptor& d) noexcept {
    if (is_blocking(d.fd) > 0 && set_non_blocking(d.fd) == 0) d.was_blocking = true;
}

#if defined(SO_NOSIGPIPE)
void keep_from_signals(int fd) noexcept {
    const int on = 1;
    (void)::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
}
#else
void keep_from_signals(int) noexcept {}  // MSG_NOSIGNAL does
#endif

// A fork by another thread between the creation of the descriptor and this call inherits it.
int make_ours(int fd) noexcept {
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return -errno;
    keep_from_signals(fd);
    return set_non_blocking(fd);
}

namespace {

int accept_in_steps(int listening) noexcept {
    const int fd = ::accept(listening, nullptr, nullptr);
    if (fd < 0) return -errno;
    const int error = make_ours(fd);
    if (error < 0) ::close(fd);
    return error < 0 ? error : fd;
}

}  // namespace

#if defined(__linux__) || defined(__FreeBSD__)

// By a filter that knows only the old call.
static bool refused_by_filter(int error) noexcept {
    return error == ENOSYS || error == EPERM || error == EACCES;
}

int accept_connection(int listening) noexcept {
    const int fd = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) return fd;
    // (A firewall also refuses a connection with EPERM: then the next one is accepted.)
    return refused_by_filter(errno) ? accept_in_steps(listening) : -errno;
}

bool has_accept4() noexcept {
    const int fd = ::accept4(-1, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return fd < 0 && !refused_by_filter(errno);
}

int make_pipe(int (&ends)[2]) noexcept { return ::pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0; }

#else

int accept_connection(int listening) noexcept { return accept_in_steps(listening); }

bool has_accept4() noexcept { return false; }

int make_pipe(int (&ends)[2]) noexcept {
    if (::pipe(ends) < 0) return -errno;
    for (const int fd : ends) {
        if (const int error = make_ours(fd); error < 0) {
            ::close(ends[0]);
            ::close(ends[1]);
            return error;
        }
    }
    return 0;
}

#endif

}  // namespace bight::detail
