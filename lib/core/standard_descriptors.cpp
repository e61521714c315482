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

// Where there is no /dev/null, a socket without a peer: it can be neither read nor written.
int open_nothing() noexcept {
    const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    return fd >= 0 ? fd : ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

}  // namespace

// The kernel gives the lowest number that is free; the first above them has come too late to be of use.
void occupy_standard_descriptors() noexcept {
    if (!any_is_closed()) return;
    int fd = 0;
    do {
        fd = open_nothing();
    } while (fd >= 0 && fd <= 2);
    if (fd >= 0) ::close(fd);
}

}  // namespace bight::detail
