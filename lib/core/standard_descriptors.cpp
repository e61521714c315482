#include "standard_descriptors.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace bight::detail {

namespace {

bool any_is_closed() noexcept {
    for (int fd = 0; fd <= 2; ++fd) {
        if (::fcntl(fd, F_GETFD) < 0) return true;
    }
    return false;
}

// Without /dev/null it opens a socket without a peer, which can be neither read nor written.
int open_nothing() noexcept {
    const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd >= 0) return fd;
    const int without_peer = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (without_peer >= 0) ::fcntl(without_peer, F_SETFD, FD_CLOEXEC);
    return without_peer;
}

}  // namespace

// The kernel gives the lowest free number; the first descriptor above 2 is not needed and is closed again.
void occupy_standard_descriptors() noexcept {
    if (!any_is_closed()) return;
    int fd = 0;
    do {
        fd = open_nothing();
    } while (fd >= 0 && fd <= 2);
    if (fd >= 0) ::close(fd);
}

}  // namespace bight::detail
