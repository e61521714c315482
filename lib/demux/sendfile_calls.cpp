#include "sendfile_calls.hpp"

#include "no_sigpipe.hpp"
#include "refusable_call.hpp"

#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace bight::detail {

namespace {

// One without descriptors fails for that reason, unless a filter was quicker.
refusable_call& sendfile_call() noexcept {
    static refusable_call it(
        []() noexcept { return ::sendfile(-1, -1, nullptr, 0) < 0 && errno != EBADF; });
    return it;
}

// cachestat(2), of Linux 6.5, under the same number on all architectures but Alpha.
#if defined(__alpha__)
constexpr long number_of_cachestat = 561;
#else
constexpr long number_of_cachestat = 451;
#endif
struct cached_range {
    std::uint64_t offset;
    std::uint64_t size;
};
struct cached_pages {
    std::uint64_t cached = 0;
    std::uint64_t others[4] = {};
};

enum class known : unsigned char { here, elsewhere, unknown };

known all_pages(int file, std::uint64_t offset, std::size_t size) noexcept {
    static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    cached_range range{offset, size};
    cached_pages found;
    if (::syscall(number_of_cachestat, file, &range, &found, 0) < 0) return known::unknown;
    const std::uint64_t pages = (offset + size + page - 1) / page - offset / page;
    return found.cached >= pages ? known::here : known::elsewhere;
}

bool is_made_of_memory(int file) noexcept {
    constexpr std::uint32_t tmpfs = 0x01021994;
    constexpr std::uint32_t ramfs = 0x858458f6;
    struct statfs system{};
    if (::fstatfs(file, &system) < 0) return false;
    const auto type = static_cast<std::uint32_t>(system.f_type);
    return type == tmpfs || type == ramfs;
}

// Beyond the end of the file there is nothing to wait for.
bool byte_at_hand(int file, std::uint64_t offset) noexcept {
    char byte = 0;
    iovec room{&byte, 1};
    return ::preadv2(file, &room, 1, static_cast<off_t>(offset), RWF_NOWAIT) >= 0;
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
    const known pages = all_pages(file, offset, size);
    if (pages != known::unknown) return pages == known::here;
    if (byte_at_hand(file, offset)) return byte_at_hand(file, offset + size - 1);
    return errno == EOPNOTSUPP && is_made_of_memory(file);
}

}  // namespace bight::detail
