// reactor_options: the demultiplexer, buffers, clock and stall warnings of a reactor.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

// Not part of the type's layout, so files of one program may differ in it.
#if defined(NDEBUG) || defined(__OPTIMIZE__)
#define BIGHT_DEBUG_BUILD 0
#else
#define BIGHT_DEBUG_BUILD 1
#endif

namespace BIGHT_EXPORT bight {

class virtual_clock;
namespace detail {
class platform;
}

/// The kernel interfaces that a reactor can use.
enum class demultiplexer_kind : std::uint8_t { automatic, io_uring, epoll, kqueue, poll, select, iocp, wfmo };

/// Options of a reactor. Like all options of bight they own nothing, so that a temporary is safe in a full
/// expression that awaits (GCC PR 99576). The reactor's constructor throws std::invalid_argument, with the
/// member's name, for a number that it cannot have, on every demultiplexer.
struct reactor_options {
    /// `automatic` takes the one that the environment variable BIGHT_REACTOR names (io_uring, epoll, kqueue,
    /// poll, select, iocp, wfmo), otherwise the first of these that works here. One that is chosen here or in
    /// the variable is never replaced by another: when it does not work, the reactor's constructor throws.
    demultiplexer_kind demultiplexer = demultiplexer_kind::automatic;
    /// How many submissions an io_uring reactor can batch in one turn before it must enter the kernel, 1 to
    /// 16,384. The kernel locks memory for them, which RLIMIT_MEMLOCK limits per user: 64 bytes for each
    /// submission, and 16 bytes for each of four times as many completions, 64 KiB at least.
    unsigned submission_entries = 512;
    /// Number of 4 KiB receive buffers that an io_uring reactor offers to the kernel; a power of two, up to
    /// 32,768. Their list is locked memory too: 16 bytes each.
    unsigned receive_buffers = 1024;
    /// The most bytes that one receive asks for (where the memory is not the caller's). Receives begin with
    /// 16 KiB (on io_uring with buffers of 4 KiB), and grow to 64 KiB and 256 KiB, and back, with what comes:
    /// any other number is rounded down to one of these, and below 64 KiB they never grow (and copy and relay
    /// do not splice). The least is what they begin with.
    std::size_t largest_receive = std::size_t{256} << 10;
    /// The most bytes of such larger buffers that chunks of this reactor hold together (a runtime of N
    /// reactors has N times as much); beyond that, receives are small again. Zero: none, and nothing is
    /// spliced; otherwise 64 KiB or more.
    std::size_t bulk_memory = std::size_t{64} << 20;
    /// The clock, for tests (see virtual_clock); null: the real one.
    virtual_clock* clock = nullptr;
    /// When a task holds the reactor for longer than this, a warning with its name and line is logged: by a
    /// separate thread while the task runs, and again once it is over, with the line that it reached. Zero:
    /// no warnings, and no thread. Empty: what the environment variable BIGHT_STALL_LIMIT says ("100ms",
    /// "2s", "0"; the reactor's constructor throws for anything else), otherwise 1 s in a debug build
    /// (debug_build), and no warnings in others; none on a simulated host.
    std::optional<duration> stall_limit = {};
    /// Whether the code that makes the reactor is a debug build: compiled without optimisation (-O0) and
    /// without NDEBUG. It does not matter how bight itself was compiled.
    bool debug_build = BIGHT_DEBUG_BUILD != 0;
    /// What the reactor is called in the tree of tasks and in warnings, for a program that has several;
    /// copied. The reactors of a runtime are called "reactor 2 of 4".
    std::string_view name = {};
    /// The platform of a simulated host (bight/sim/world.hpp); null: this machine.
    detail::platform* platform = nullptr;
};
static_assert(std::is_trivially_destructible_v<reactor_options>);

}  // namespace bight
