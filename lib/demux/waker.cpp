#include "waker.hpp"

#include "descriptor_calls.hpp"

#if __has_include(<sys/eventfd.h>)
#include <sys/eventfd.h>
#define BIGHT_HAS_EVENTFD 1
#endif
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace bight::detail {

waker::waker() {
#if BIGHT_HAS_EVENTFD
    if (!prefers_pipe) {
        read_ = write_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (read_ >= 0) return;
    }
#endif
    int ends[2];
    if (const int error = make_pipe(ends); error < 0) {
        throw std::system_error(-error, std::system_category(), "pipe");
    }
    read_ = ends[0];
    write_ = ends[1];
}

waker::~waker() { forget(); }

void waker::forget() noexcept {
    if (fills_up()) ::close(write_);
    if (read_ >= 0) ::close(read_);
    read_ = write_ = -1;
}

// Writes eight bytes, as an eventfd requires. A full pipe is readable already.
void waker::wake() noexcept {
    const int before = errno;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(write_, &one, sizeof one);
    errno = before;
}

void waker::drain() noexcept {
    char wakes[1024];
    while (::read(read_, wakes, sizeof wakes) == static_cast<ssize_t>(sizeof wakes)) {
    }
}

}  // namespace bight::detail
