// States of an io_uring's queues that last for a moment: a full one, and completions that nobody has seen.
#pragma once

#include "probes.hpp"

#if defined(__linux__) && __has_include(<liburing.h>)
#include "demux/uring.hpp"
#endif

#if defined(__linux__)
#include <linux/io_uring.h>
#include <sys/syscall.h>
#endif

#include <array>

namespace test {

inline bight::reactor_options small_queues() {
    bight::reactor_options options;
    options.submission_entries = 4;
    options.receive_buffers = 64;
    return options;
}

/// The descriptor of an io_uring.
inline int ring_of(demultiplexer_fixture& on) {
#if defined(__linux__) && __has_include(<liburing.h>)
    return static_cast<bight::detail::uring&>(on.demux()).ring_descriptor();
#else
    return on.completes_by_itself() ? -1 : -2;
#endif
}

// On io_uring the kernel completes what it can, and nobody looks.
inline void complete_unseen(demultiplexer_fixture& on) {
#if defined(__linux__)
    if (!on.completes_by_itself()) return;
    REQUIRE(::syscall(SYS_io_uring_enter, ring_of(on), 0, 0, IORING_ENTER_GETEVENTS, nullptr, 0) == 0);
#else
    (void)on;
#endif
}

// While it lives, the completion queue of an io_uring is full; the other demultiplexers have none.
class full_completion_queue {
  public:
    explicit full_completion_queue(demultiplexer_fixture& on)
        : bench_(on), victim_(on.connect(pair_kind::unix_pair).ours, operation_kind::receive_into) {
        if (!on.completes_by_itself()) return;
        victim_.memory = bight::mutable_buffer(memory_.data(), memory_.size());
        on.start(victim_);
        // Each cancel is a completion of its own, and 4,096 of them fit.
        for (int i = 0; i < 5000; ++i) on.demux().cancel(victim_);
    }
    full_completion_queue(const full_completion_queue&) = delete;
    full_completion_queue& operator=(const full_completion_queue&) = delete;
    ~full_completion_queue() {
        if (victim_.in_flight) CHECK(bench_.until_completed(victim_));
    }

  private:
    demultiplexer_fixture& bench_;
    std::array<char, 8> memory_{};
    receive_probe victim_;
};

}  // namespace test
