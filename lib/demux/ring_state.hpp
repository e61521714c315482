// ring_state: the multishot operation of a descriptor with io_uring, and the data that arrived unasked.
#pragma once

#include "descriptor_calls.hpp"

#include <cstdint>
#include <vector>

namespace bight::detail {

/// A socket has one from its first read on, a listener from its first accept.
///
/// The state of the multishot follows from two flags:
///
/// - Neither: the kernel has none. The next operation that waits arms one (arm_receive, arm_accept).
/// - `armed`: it is in the kernel, and the descriptor is kept. It ends with a completion without
///   IORING_CQE_F_MORE; stop_multishot cancels it.
/// - `armed` and `stopping`: its cancellation is in the kernel too; what comes before it is complete still
///   counts. It ends with the same completion. If the cancellation came too late, its own completion clears
///   `stopping`.
///
/// What has arrived is delivered in this order: buffers (or accepted descriptors), then `end`, if has_end is
/// set. `starved` lasts from the end of a multishot for lack of buffers to the next receive, which brings its
/// own memory when something has come. `end` is delivered to the waiting operation, or to the next one.
struct ring_state {
    static constexpr std::uint16_t none = 0xffff;

    // Received buffers, oldest first, linked through their slots.
    std::uint16_t first = none;
    std::uint16_t last = none;
    std::uint16_t count = 0;

    bool listening = false;   // the multishot accepts; otherwise it receives
    bool armed = false;       // a multishot is with the kernel
    bool stopping = false;    // its cancellation was submitted
    bool starved = false;     // the kernel ran out of buffers: the next receive brings its own
    bool end_polled = false;  // a poll for the end of the peer is with the kernel, and the descriptor is kept
    bool has_end = false;     // `end` is to be delivered after what is queued
    int end = 0;              // 0: end of stream; otherwise -errno
    std::vector<int> accepted;  // descriptors that no accept has taken yet, oldest first

    ring_state() = default;
    ring_state(const ring_state&) = delete;
    ring_state& operator=(const ring_state&) = delete;
    ~ring_state() { close_accepted(); }

    void close_accepted() noexcept {
        for (const int fd : accepted) close_descriptor(fd);
        accepted.clear();
    }
};

}  // namespace bight::detail
