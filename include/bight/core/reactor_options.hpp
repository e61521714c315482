// reactor_options: what a reactor stands on, and how it watches itself.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>

#include <cstdint>
#include <type_traits>

namespace BIGHT_EXPORT bight {

class virtual_clock;
namespace detail {
class platform;
}

/// The kernel interfaces that a reactor can stand on.
enum class demultiplexer_kind : std::uint8_t { automatic, io_uring, epoll, poll, select };

/// What a reactor is made with. Like all options of bight it owns nothing, so that a temporary of it is safe
/// in a full expression that awaits (GCC PR 99576).
struct reactor_options {
    /// `automatic`: what the environment variable BIGHT_REACTOR names (io_uring, epoll, poll, select), else
    /// the best that works here, in that order. One that is named here or there is used or refused, never
    /// replaced.
    demultiplexer_kind demultiplexer = demultiplexer_kind::automatic;
    /// How many submissions an io_uring reactor can batch in one turn before it must enter the kernel. With
    /// it goes the memory that the kernel locks, of which RLIMIT_MEMLOCK gives each user so much: 64 bytes
    /// each, and for completions 16 bytes for each of four times as many, 64 KiB at least.
    unsigned submission_entries = 512;
    /// Receive buffers of 4 KiB that an io_uring reactor offers to the kernel; a power of two. The list of
    /// them is locked memory, too: 16 bytes each.
    unsigned receive_buffers = 1024;
    /// Time for tests (see virtual_clock); null: the real one.
    virtual_clock* clock = nullptr;
    /// When a task holds the reactor for longer than this, its name and line are logged as a warning: by a
    /// thread of its own while it lasts, and with where it got to once it is over. Zero: nobody looks.
    duration stall_limit = duration::zero();
    /// For simulated hosts (bight/sim/world.hpp); null: this machine.
    detail::platform* platform = nullptr;
};
static_assert(std::is_trivially_destructible_v<reactor_options>);

}  // namespace bight
