#include "stream_over.hpp"

#include "child_pipe.hpp"
#include "file_state.hpp"
#include "file_transport.hpp"

#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"
#include "../demux/demultiplexer.hpp"
#include "../demux/file_operation.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <fcntl.h>
#if defined(__linux__)
#include <sys/epoll.h>
#endif
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

class closed_descriptor {
  public:
    explicit closed_descriptor(int fd) noexcept : fd_(fd) {}
    closed_descriptor(const closed_descriptor&) = delete;
    closed_descriptor& operator=(const closed_descriptor&) = delete;
    ~closed_descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

// The master of a pseudo-terminal is one, too, and opening it again would make another pseudo-terminal.
bool is_terminal_of_a_program(int fd) noexcept {
    if (::isatty(fd) != 1) return false;
#if defined(TIOCGPTN)
    unsigned number = 0;
    return ::ioctl(fd, TIOCGPTN, &number) < 0;
#else
    return true;
#endif
}

// The same pipe or terminal as an open file of our own, non-blocking: -1 when it cannot be had. Linux opens
// what stands in /proc whatever its name is, or where it has none; elsewhere a terminal has a name, and a
// pipe none.
int open_again(int fd, pipe_transport::way goes, const struct stat& is) noexcept {
    if (!opens_again) return -1;
    char path[128];
#if defined(__linux__)
    std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
#else
    if (!S_ISCHR(is.st_mode) || ::ttyname_r(fd, path, sizeof path) != 0) return -1;
#endif
    const int access = goes == pipe_transport::way::reads    ? O_RDONLY
                       : goes == pipe_transport::way::writes ? O_WRONLY
                                                             : O_RDWR;
    closed_descriptor made(above_standard(::open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)));
    struct stat same{};
    if (made.get() < 0 || ::fstat(made.get(), &same) < 0) return -1;
    const bool fits = same.st_dev == is.st_dev && same.st_ino == is.st_ino && same.st_rdev == is.st_rdev;
    return fits ? made.release() : -1;
}

// Whether a device tells when it is ready, as tun(4) does and /dev/null does not: epoll refuses what does
// not. Elsewhere none is taken to.
bool has_readiness(int fd) noexcept {
#if defined(__linux__)
    const closed_descriptor set(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event none{};
    return set.get() >= 0 && ::epoll_ctl(set.get(), EPOLL_CTL_ADD, fd, &none) == 0;
#else
    (void)fd;
    return false;
#endif
}

file_ways ways_of_file(pipe_transport::way goes) noexcept {
    switch (goes) {
        case pipe_transport::way::reads: return file_ways::reads;
        case pipe_transport::way::writes: return file_ways::writes;
        default: return file_ways::both;
    }
}

}  // namespace

reactor& reactor_with_descriptors(const char* who) {
    reactor* const here = reactor::current();
    if (!here) {
        throw std::system_error(errc::wrong_thread,
                                std::string(who) + " needs a reactor: none runs on this thread");
    }
    if (demultiplexer_of(*here).simulated()) {
        throw std::system_error(errc::unavailable, std::string(who) + ": a simulated host has none");
    }
    return *here;
}

stream stream_over(reactor& home, int fd, pipe_transport::way goes, std::string what,
                   std::unique_ptr<descriptor_claim> claim) {
    closed_descriptor given(fd);
    struct stat is{};
    if (::fstat(fd, &is) < 0) throw std::system_error(system_error_code(errno), what);
    const bool is_terminal = S_ISCHR(is.st_mode) && ::isatty(fd) == 1;
    if (S_ISSOCK(is.st_mode)) {
        return stream(pipe_transport::make(home, given.release(), goes, std::move(what), call_mode::of_socket,
                                           std::move(claim)));
    }
    // Such a file is always ready, or has no readiness at all.
    if (S_ISREG(is.st_mode) || S_ISBLK(is.st_mode) || S_ISDIR(is.st_mode) ||
        (S_ISCHR(is.st_mode) && !is_terminal && !has_readiness(fd))) {
        const file_state_ref state(new file_state);
        state->path = std::move(what);
        state->handle = given.release();
        return stream(
            make_file_transport(home, state, at_the_position, ways_of_file(goes), std::move(claim)));
    }
    if (S_ISFIFO(is.st_mode) || is_terminal_of_a_program(fd)) {
        if (const int own = open_again(fd, goes, is); own >= 0) {
            return stream(
                pipe_transport::make(home, own, goes, std::move(what), call_mode::own, std::move(claim)));
        }
    }
    return stream(pipe_transport::make(home, given.release(), goes, std::move(what), call_mode::asked_first,
                                       std::move(claim)));
}

}  // namespace bight::detail
