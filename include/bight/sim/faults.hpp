// What can go wrong in a simulated world, and how often.
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

/// Each has a switch of its own in a fault_plan: the probability with which it happens at each opportunity.
enum class fault : std::uint8_t {
    short_read,         ///< a read gets only the first of the bytes that are there
    short_write,        ///< a write is taken in part; the rest follows up to 1 ms later
    small_segment,      ///< the network cuts what is sent at an arbitrary place
    slow_completion,    ///< an operation's result reaches its task up to 50 ms late
    late_cancel,        ///< a cancelled operation is not gone at once, and may still succeed
    false_readiness,    ///< an operation that waits is tried up to 8 times for nothing (EAGAIN each time)
    interrupted_wait,   ///< a host's wait for something to happen ends with nothing after up to 1 ms (EINTR)
    reset,              ///< a connection is reset as a segment arrives
    silence,            ///< a connection carries nothing any more, and nobody is told (a half-open peer)
    no_buffers,         ///< a send fails with ENOBUFS, nothing of it sent
    no_memory,          ///< a read into bight's own buffers fails with ENOMEM, nothing of it lost
    accept_error,       ///< an accept fails: EMFILE, ENFILE, ECONNABORTED, EPERM, ENOBUFS or ENOMEM
    refused_connect,    ///< a connection attempt is refused, whoever listens
    lost_connect,       ///< a connection attempt is never answered
    slow_packet,        ///< a packet takes the tail of the latency instead of its usual range
    lost_datagram,      ///< a datagram does not arrive
    repeated_datagram,  ///< a datagram arrives twice
    late_datagram,      ///< a datagram is up to 1 s late, and others overtake it
    cut,                ///< a link is cut for up to 5 s as a packet sets out, one way or both
    unknown_name,       ///< a name is not found
    stale_name,         ///< a look-up gives an address at which there is nobody (192.0.2.1)
    slow_name,          ///< a look-up takes up to 20 s
    slow_thread,        ///< an offloaded job takes up to 30 s
    late_timers,        ///< timers that are due fire up to 20 ms late
    slow_turn,     ///< a host is busy for up to 1 ms: what completes meanwhile is told at once, in any order
    pause,         ///< a host stands still for up to 2 s before its next turn (and its timers are late)
    crash,         ///< a host with an on_boot program loses its power, and starts again within 10 s
    wall_jump,     ///< a host's date jumps by up to an hour, forwards or backwards
    small_window,  ///< one way of a connection holds no more than 1 to 512 bytes for up to 50 ms: a write
                   ///< waits until they are read
    narrow_link,  ///< a link carries 100 to 10,000 bytes a second for up to 5 s as a packet sets out, one way
    user,         ///< a point that the program names: bight::sim::sometimes
};
inline constexpr std::size_t fault_kinds = static_cast<std::size_t>(fault::user) + 1;

std::string_view name_of(fault f) noexcept;

/// Whether it is variation and no harm: it may happen on any machine at any time, costs at most 50 ms each
/// time, and nothing fails for it. A program that is right under all the others alone is right under these,
/// too; one that is not mostly needs them to show it. The first seven (`short_read` to `interrupted_wait`),
/// `late_timers`, `slow_turn` and `small_window` are; `user` is not, for nobody knows what the program does
/// then.
bool is_variation(fault f) noexcept;

/// A fault that has happened.
struct happened_fault {
    /// What it happened to and where, by the seed: the same in every run of that seed in which it happens,
    /// whatever else does.
    std::uint64_t id = 0;
    fault kind = fault::user;

    friend bool operator==(const happened_fault&, const happened_fault&) noexcept = default;
};

/// Which faults a world injects by itself. The value decides: copy it, change it, give it to a world.
class fault_plan {
  public:
    /// Nothing happens by itself.
    fault_plan() noexcept = default;
    /// Everything happens, each thing about as often as an unlucky day has it.
    static fault_plan storm();

    fault_plan& set(fault f, double probability) noexcept {
        probability_[static_cast<std::size_t>(f)] = probability;
        return *this;
    }
    double probability(fault f) const noexcept {
        return leaves_out(f) ? 0 : probability_[static_cast<std::size_t>(f)];
    }
    /// The same with the probability of each fault that does harm at 0 (see is_variation): what world::heal
    /// leaves of it.
    fault_plan without_harm() const;
    /// Whether any fault that does harm can happen.
    bool does_harm() const noexcept;

    // What a plan leaves out stays out of the world that is made with it, whatever plan comes after it there
    // (world::set_faults): a test that sets the faults itself can be run with fewer of them.

    /// No fault of this kind happens, whatever probability is set for it, before or after.
    fault_plan& leave_out(fault f) noexcept {
        left_out_.set(static_cast<std::size_t>(f));
        return *this;
    }
    bool leaves_out(fault f) const noexcept { return left_out_[static_cast<std::size_t>(f)]; }
    /// The fault of this id (world::happened_faults) does not happen. All other faults, latencies and choices
    /// stay as they are, but for what follows from this one.
    fault_plan& suppress(std::uint64_t id) {
        suppressed_.insert(id);
        return *this;
    }
    /// Of all faults only these happen: what sim::explore shrinks a failure with.
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
    std::optional<std::set<std::uint64_t>> allowed_;  ///< none: all are
};

}  // namespace sim
}  // namespace bight
