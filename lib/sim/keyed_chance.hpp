// keyed_chance: random numbers by purpose, so that a draw is the same in every run in which it is made.
#pragma once

#include <bight/sim/faults.hpp>
#include <bight/sim/random.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bight::sim::detail {

/// The purpose of a draw: a kind of fault (whether it happens, and how badly), or one of these. The numbers
/// are part of what a seed means: what is new comes last.
enum class purpose : std::uint8_t {
    latency = static_cast<std::uint8_t>(fault::user) + 1,
    identity,  ///< the key of something new
    buffers,
    look_up,
    thread,
    listener,    ///< which of several has a connection
    completion,  ///< its place among completions at the same time
    turn,        ///< a host's place among those that can run
    disk,        ///< how long it takes
    error,       ///< who is told first: the reader or the writer
    program,     ///< bight::random
    wake,        ///< when a thread notices what another one has posted
    missed,      ///< whether what was sent to a host that was down comes again as it starts
    submission,  ///< whether a result is there when its operation has been started
    cancelling,  ///< when a cancelled operation ends
    in_vain,     ///< whether and when an operation is tried in vain
    gathering,   ///< how long completions wait for each other
    disk_fault,  ///< the first fault after fault::user, and the others
};
inline constexpr std::size_t purposes =
    static_cast<std::size_t>(purpose::disk_fault) + fault_kinds - static_cast<std::size_t>(fault::user) - 1;
inline constexpr purpose purpose_of(fault f) noexcept {
    if (f <= fault::user) return static_cast<purpose>(f);
    return static_cast<purpose>(static_cast<int>(purpose::disk_fault) + static_cast<int>(f) -
                                static_cast<int>(fault::user) - 1);
}

/// The random numbers of one thing in a world (a host, a direction of a connection, a name). A counter-based
/// generator: a draw is a hash of the thing's key, the purpose, the place at which it is made (the byte of
/// the stream, say) and the number of earlier draws at that place. So an additional or a missing draw at one
/// place changes no draw at another place, for another purpose, or of another thing.
class keyed_chance {
  public:
    explicit keyed_chance(std::uint64_t key) noexcept : key_(key) {}

    /// For each purpose, places must be visited in order, without returning to an earlier one.
    random_source draw(purpose what, std::uint64_t place = 0) noexcept {
        const auto index = static_cast<std::size_t>(what);
        position& last = positions_[index];
        if (last.place != place) last = {place, 0};
        const std::uint64_t at_place = mixed(mixed(key_ + index) ^ place);
        return random_source(at_place + last.draws++);
    }

    /// The keyed_chance of a new thing that belongs to this one.
    keyed_chance child() noexcept { return keyed_chance(draw(purpose::identity).next()); }
    /// The keyed_chance of the thing called `name` that belongs to this one.
    keyed_chance child(std::string_view name) const noexcept {
        std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
        for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
        return keyed_chance(mixed(key_ ^ mixed(hash)));
    }

  private:
    struct position {
        std::uint64_t place = 0;
        std::uint64_t draws = 0;
    };
    static std::uint64_t mixed(std::uint64_t value) noexcept { return random_source(value).next(); }

    std::uint64_t key_;
    std::array<position, purposes> positions_{};
};

}  // namespace bight::sim::detail
