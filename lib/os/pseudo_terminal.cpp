#include "pseudo_terminal.hpp"

#include "child_pipe.hpp"

#include "../core/system_error.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

[[noreturn]] void fail(int error, const char* call) {
    throw std::system_error(system_error_code(error), std::string("process: a pseudo-terminal: ") + call);
}

int open_slave(int master) noexcept {
#if defined(TIOCGPTPEER)
    // Linux 4.13; it needs no name, and so finds the right one in a container, too.
    const int fd = ::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0) return fd;
#endif
#if defined(__linux__)
    char name[128];
    if (::ptsname_r(master, name, sizeof name) != 0) return -1;
#else
    const char* const name = ::ptsname(master);  // of a thread's own on some systems
    if (!name) return -1;
#endif
    return ::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

}  // namespace

terminal_ends open_pseudo_terminal(window_size size) {
    struct closed_on_error {
        int fd;
        ~closed_on_error() {
            if (fd >= 0) ::close(fd);
        }
    } master{::posix_openpt(O_RDWR | O_NOCTTY)};
    if (master.fd < 0) fail(errno, "posix_openpt");
    if (::fcntl(master.fd, F_SETFD, FD_CLOEXEC) < 0) fail(errno, "fcntl");
    if (::grantpt(master.fd) < 0) fail(errno, "grantpt");
    if (::unlockpt(master.fd) < 0) fail(errno, "unlockpt");
    closed_on_error slave{open_slave(master.fd)};
    if (slave.fd < 0) fail(errno, "open");
    if (const int error = resize_terminal(slave.fd, size); error != 0) fail(error, "TIOCSWINSZ");
    for (closed_on_error* const end : {&master, &slave}) {
        end->fd = above_standard(end->fd);
        if (end->fd < 0) fail(-end->fd, "fcntl");
    }
    return {std::exchange(master.fd, -1), std::exchange(slave.fd, -1)};
}

int resize_terminal(int terminal, window_size size) noexcept {
    winsize s{};
    s.ws_row = size.rows;
    s.ws_col = size.columns;
    return ::ioctl(terminal, TIOCSWINSZ, &s) < 0 ? errno : 0;
}

}  // namespace bight::detail
