// What has arrived on a descriptor of an io_uring reactor while nobody asked for it.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <vector>

namespace bight::detail {

/// A socket has one from its first read on, a listener from its first accept.
///
/// The multishot, by `armed` and `stopping`:
///
/// | armed | stopping | state | moved on by |
/// | --- | --- | --- | --- |
/// | - | - | the kernel has none; the next operation that waits arms one | arm_receive, arm_accept |
/// | yes | - | it is with the kernel, and so is the descriptor (kept) | a completion without
/// IORING_CQE_F_MORE; stop_multishot | | yes | yes | its cancellation is with the kernel, too; what comes
/// before that is complete still counts | the same completion; or the cancellation's own, when that came too
/// late: back to the second line |
///
/// What has come is handed out in this order: buffers (or accepted descriptors), then `end` while has_end
/// says that it is there. `starved` lasts from a multishot that ended for want of buffers to the next
/// receive, which brings memory of its own; has_end is for the operation that waited, or for the next one.
struct ring_state {
    static constexpr std::uint16_t none = 0xffff;

    // Received buffers, oldest first, linked through their slots.
    std::uint16_t first = none;
    std::uint16_t last = none;
    std::uint16_t count = 0;

    bool listening = false;     // the multishot accepts; else it receives
    bool armed = false;         // a multishot is with the kernel
    bool stopping = false;      // its cancellation was asked for
    bool starved = false;       // the kernel ran out of buffers: the next receive brings its own
    bool has_end = false;       // `end` is to be delivered after what is queued
    int end = 0;                // 0: end of stream; else -errno
    std::vector<int> accepted;  // descriptors nobody has asked for yet, oldest first

    ring_state() = default;
    ring_state(const ring_state&) = delete;
    ring_state& operator=(const ring_state&) = delete;
    ~ring_state() { close_accepted(); }

    void close_accepted() noexcept {
        for (const int fd : accepted) ::close(fd);
        accepted.clear();
    }
};

}  // namespace bight::detail
