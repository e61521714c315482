#include "sendfile_calls.hpp"

#include "no_sigpipe.hpp"
#include "refusable_call.hpp"

#include <sys/sendfile.h>
#include <sys/uio.h>

#include <cerrno>

namespace bight::detail {

namespace {

// One without descriptors fails for that reason, unless a filter was quicker.
refusable_call& sendfile_call() noexcept {
    static refusable_call it(
        []() noexcept { return ::sendfile(-1, -1, nullptr, 0) < 0 && errno != EBADF; });
    return it;
}

// At the end of the file there is nothing to wait for.
bool byte_at_hand(int file, off_t offset) noexcept {
    char byte = 0;
    iovec room{&byte, 1};
    return ::preadv2(file, &room, 1, offset, RWF_NOWAIT) >= 0;
}

}  // namespace

bool has_sendfile() noexcept { return sendfile_call().is_there(); }

std::int64_t send_from_file(int socket, int file, std::uint64_t offset, std::size_t most) noexcept {
    const no_sigpipe guard;
    auto at = static_cast<off_t>(offset);
    ssize_t sent = 0;
    do {
        sent = ::sendfile(socket, file, &at, most);
    } while (sent < 0 && errno == EINTR);
    const int error = sent < 0 ? errno : 0;
    if (error == EPIPE) guard.take_back();
    return error != 0 ? sendfile_call().failure(error) : sent;
}

bool is_at_hand(int file, std::uint64_t offset, std::size_t size) noexcept {
    const auto at = static_cast<off_t>(offset);
    return byte_at_hand(file, at) && byte_at_hand(file, at + static_cast<off_t>(size) - 1);
}

}  // namespace bight::detail
