#include "splice_calls.hpp"

#include "descriptor_calls.hpp"
#include "no_sigpipe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace bight::detail {

namespace {

// As much as one receive in bulk. The kernel allows less to a user who has many pipes (pipe(7)): with less
// than this, copying is cheaper.
constexpr int wanted_room = 1 << 18;
constexpr std::size_t least_room = std::size_t{1} << 16;

// A filter may refuse the call. One of no bytes moves nothing.
bool may_splice() noexcept {
    static const bool may = [] {
        int ends[2];
        if (make_pipe(ends) < 0) return true;  // no descriptors now: that is seen for each pipe
        const bool refused = ::splice(ends[0], nullptr, ends[1], nullptr, 0, SPLICE_F_NONBLOCK) < 0 &&
                             errno != EINVAL && errno != EAGAIN;
        ::close(ends[0]);
        ::close(ends[1]);
        return !refused;
    }();
    return may;
}

}  // namespace

bool has_splice() noexcept { return may_splice(); }

std::int64_t splice_from(int socket, int pipe, std::size_t most) noexcept {
    ssize_t moved = 0;
    do {
        moved = ::splice(socket, nullptr, pipe, nullptr, most, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    } while (moved < 0 && errno == EINTR);
    return moved < 0 ? -errno : moved;
}

std::int64_t splice_to(int socket, int pipe, std::size_t size) noexcept {
    const no_sigpipe guard;
    ssize_t moved = 0;
    do {
        moved = ::splice(pipe, nullptr, socket, nullptr, size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    } while (moved < 0 && errno == EINTR);
    const int error = moved < 0 ? errno : 0;
    if (error == EPIPE) guard.take_back();
    return error != 0 ? -error : moved;
}

bool kernel_pipe::open() noexcept {
    if (make_pipe(ends_) < 0) {
        ends_[0] = ends_[1] = -1;
        return false;
    }
    int room = ::fcntl(ends_[1], F_SETPIPE_SZ, wanted_room);
    if (room < 0) room = ::fcntl(ends_[1], F_GETPIPE_SZ);
    room_ = room > 0 ? static_cast<std::size_t>(room) : 0;
    if (room_ >= least_room) return true;
    close();
    return false;
}

void kernel_pipe::close() noexcept {
    for (int& end : ends_) {
        if (end >= 0) ::close(end);
        end = -1;
    }
}

}  // namespace bight::detail
