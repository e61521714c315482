// fault, fault_plan: the faults that a simulated world injects, and their probabilities.
#pragma once

#include <bight/core/export.hpp>

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace sim {

/// The kinds of faults. A fault_plan has a probability for each, with which it happens at every opportunity.
enum class fault : std::uint8_t {
    short_read,         ///< a read gets only the first of the bytes that are there
    short_write,        ///< a write is taken in part; the rest follows up to 1 ms later
    small_segment,      ///< the network cuts what is sent at an arbitrary place
    slow_completion,    ///< an operation's result reaches its task up to 50 ms late
    late_cancel,        ///< a cancelled operation is not gone at once, and may still succeed
    false_readiness,    ///< a waiting operation is tried up to 8 times in vain (EAGAIN each time)
    interrupted_wait,   ///< a host's wait for events is interrupted after up to 1 ms (EINTR)
    reset,              ///< a connection is reset as a segment arrives
    silence,            ///< a connection carries nothing any more, and neither end is told (half open)
    no_buffers,         ///< a send fails with ENOBUFS, and nothing is sent
    no_memory,          ///< a read into bight's own buffers fails with ENOMEM, and nothing is lost
    accept_error,       ///< an accept fails: EMFILE, ENFILE, ECONNABORTED, EPERM, ENOBUFS or ENOMEM
    refused_connect,    ///< a connection attempt is refused, even if somebody listens
    lost_connect,       ///< a connection attempt is never answered
    slow_packet,        ///< a packet takes the tail of the latency instead of its usual range
    lost_datagram,      ///< a datagram does not arrive
    repeated_datagram,  ///< a datagram arrives twice
    late_datagram,      ///< a datagram is up to 1 s late, and others overtake it
    cut,                ///< a link is cut for up to 5 s as a packet sets out, one way or both
    unknown_name,       ///< a name is not found
    stale_name,         ///< a look-up gives an address without a host (192.0.2.1)
    slow_name,          ///< a look-up takes up to 20 s
    slow_thread,        ///< an offloaded job takes up to 30 s
    late_timers,        ///< timers that are due fire up to 20 ms late
    slow_turn,          ///< a host is busy for up to 1 ms: completions meanwhile come together, in any order
    pause,              ///< a host stands still for up to 2 s before its next turn (and its timers are late)
    crash,              ///< a host with an on_boot program loses its power, and starts again within 10 s
    wall_jump,          ///< a host's date jumps by up to an hour, forwards or backwards
    small_window,  ///< one way of a connection holds no more than 1 to 512 bytes for up to 50 ms: a write
                   ///< waits until they are read
    narrow_link,  ///< a link carries 100 to 10,000 bytes a second for up to 5 s as a packet sets out, one way
    user,         ///< a point in the program marked with bight::sim::sometimes
    disk_full,    ///< a write to a file takes a part, or nothing (ENOSPC), as does what makes a new name
    disk_error,   ///< a read, write or sync of a file fails with EIO
    slow_disk,    ///< an operation on a file takes up to 5 s
    torn_write,  ///< a crash leaves some of what was written to a file and not synced, in blocks of 512 bytes
    lost_changes,  ///< a change of files is not told to a file_watch, which gets an overflow
    no_process,  ///< process::spawn fails with EAGAIN
    slow_start,  ///< a child does nothing for up to 5 s after it was started
    killed_child,  ///< a child is ended by SIGKILL before its next turn, as by a system that is out of memory
};
inline constexpr std::size_t fault_kinds = static_cast<std::size_t>(fault::killed_child) + 1;

std::string_view name_of(fault f) noexcept;

/// Whether the fault is harmless variation: it may happen on any healthy machine at any time, costs at most
/// 50 ms each time, and makes nothing fail. A correct program stays correct under variation, and an incorrect
/// one usually shows its error only with it. Variation are the first seven (`short_read` to
/// `interrupted_wait`), `late_timers`, `slow_turn` and `small_window`; `user` is not, since only the program
/// knows its effects.
bool is_variation(fault f) noexcept;

/// A fault that has happened.
struct happened_fault {
    /// Identifies the fault by where it happened: the same in every run of the seed in which it happens,
    /// whatever other faults do.
    std::uint64_t id = 0;
    fault kind = fault::user;

    friend bool operator==(const happened_fault&, const happened_fault&) noexcept = default;
};

/// The faults that a world injects by itself. A plain value: copy it, change it, give it to a world.
class fault_plan {
  public:
    /// A plan without faults.
    fault_plan() noexcept = default;
    /// A plan with every fault, each about as often as on an unlucky day.
    static fault_plan storm();

    fault_plan& set(fault f, double probability) noexcept {
        probability_[static_cast<std::size_t>(f)] = probability;
        return *this;
    }
    double probability(fault f) const noexcept {
        return leaves_out(f) ? 0 : probability_[static_cast<std::size_t>(f)];
    }
    /// A copy in which every harmful fault (see is_variation) has the probability 0: what world::heal leaves
    /// of the plan.
    fault_plan without_harm() const;
    /// Whether any harmful fault can happen.
    bool does_harm() const noexcept;

    // What is excluded by these functions stays excluded in the world that is made with the plan, whatever
    // plan is set later (world::set_faults). So a test that sets faults itself can also be shrunk.

    /// Excludes all faults of this kind, whatever probability is set for it, before or after.
    fault_plan& leave_out(fault f) noexcept {
        left_out_.set(static_cast<std::size_t>(f));
        return *this;
    }
    bool leaves_out(fault f) const noexcept { return left_out_[static_cast<std::size_t>(f)]; }
    /// Excludes the fault with this id (world::happened_faults). All other faults, latencies and choices stay
    /// the same, except for consequences of this one.
    fault_plan& suppress(std::uint64_t id) {
        suppressed_.insert(id);
        return *this;
    }
    /// Excludes all faults but these; sim::explore uses it to shrink a failure.
    fault_plan& allow_only(std::set<std::uint64_t> ids) {
        allowed_ = std::move(ids);
        return *this;
    }
    bool suppressed(std::uint64_t id) const {
        return suppressed_.contains(id) || (allowed_ && !allowed_->contains(id));
    }

  private:
    std::array<double, fault_kinds> probability_{};
    std::bitset<fault_kinds> left_out_;
    std::set<std::uint64_t> suppressed_;
    std::optional<std::set<std::uint64_t>> allowed_;  ///< empty: all faults
};

}  // namespace sim
}  // namespace bight
