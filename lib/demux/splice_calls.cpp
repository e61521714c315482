#include "splice_calls.hpp"

#include "descriptor_calls.hpp"
#include "no_sigpipe.hpp"
#include "refusable_call.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

namespace bight::detail {

namespace {

// As much as one receive in bulk. The kernel allows less to a user who has many pipes (pipe(7)): with less
// than this, copying is cheaper.
constexpr int wanted_room = 1 << 18;
constexpr std::size_t least_room = std::size_t{1} << 16;

// One of no bytes looks at nothing else: what fails then is the call itself.
refusable_call& splice_call() noexcept {
    static refusable_call it(
        []() noexcept { return ::splice(-1, nullptr, -1, nullptr, 0, SPLICE_F_NONBLOCK) < 0; });
    return it;
}

// The last eighth of the descriptors that the process may have is for connections.
bool leaves_too_few(int fd) noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return false;
    return static_cast<rlim_t>(fd) >= limit.rlim_cur - limit.rlim_cur / 8;
}

// To a number that is not below `least`, if one is free there.
void move_up(int& fd, int least) noexcept {
    if (fd >= least) return;
    const int higher = ::fcntl(fd, F_DUPFD_CLOEXEC, least);
    if (higher < 0) return;
    ::close(fd);
    fd = higher;
}

}  // namespace

bool has_splice() noexcept { return splice_call().is_there(); }

std::int64_t splice_from(int socket, int pipe, std::size_t most) noexcept {
    ssize_t moved = 0;
    do {
        moved = ::splice(socket, nullptr, pipe, nullptr, most, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    } while (moved < 0 && errno == EINTR);
    return moved < 0 ? splice_call().failure(errno) : moved;
}

std::int64_t splice_to(int socket, int pipe, std::size_t size) noexcept {
    const no_sigpipe guard;
    ssize_t moved = 0;
    do {
        moved = ::splice(pipe, nullptr, socket, nullptr, size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    } while (moved < 0 && errno == EINTR);
    const int error = moved < 0 ? errno : 0;
    if (error == EPIPE) guard.take_back();
    return error != 0 ? splice_call().failure(error) : moved;
}

bool kernel_pipe::open(int least) noexcept {
    if (make_pipe(ends_) < 0) {
        ends_[0] = ends_[1] = -1;
        return false;
    }
    if (leaves_too_few(ends_[1])) {
        close();
        return false;
    }
    for (int& end : ends_) move_up(end, least);
    int room = ::fcntl(ends_[1], F_SETPIPE_SZ, wanted_room);
    if (room < 0) room = ::fcntl(ends_[1], F_GETPIPE_SZ);
    room_ = room > 0 ? static_cast<std::size_t>(room) : 0;
    if (room_ >= least_room) return true;
    close();
    return false;
}

bool kernel_pipe::take(char* into, std::size_t size) noexcept {
    while (size > 0) {
        const ssize_t got = ::read(ends_[0], into, size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        into += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

void kernel_pipe::close() noexcept {
    for (int& end : ends_) {
        if (end >= 0) ::close(end);
        end = -1;
    }
}

}  // namespace bight::detail
