// Random numbers decided by a seed.
#pragma once

#include <bight/core/detail/split_mix.hpp>
#include <bight/core/export.hpp>

#include <cstddef>
#include <cstdint>

namespace BIGHT_EXPORT bight {
namespace sim {

/// Numbers that a seed decides: SplitMix64. The same on every machine and compiler, unlike the distributions
/// of <random>.
class random_source {
  public:
    explicit random_source(std::uint64_t seed) noexcept : state_(seed) {}

    std::uint64_t next() noexcept { return bight::detail::split_mix(state_); }

    /// Evenly from 0 to `count` - 1; 0 for a count of 0.
    std::uint64_t below(std::uint64_t count) noexcept { return count > 0 ? next() % count : 0; }
    /// Evenly from `low` to `high`, both included.
    std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept {
        return high > low ? low + below(high - low + 1) : low;
    }
    /// True with this probability. Draws nothing for 0 and less, so that a fault which is off changes
    /// nothing.
    bool chance(double probability) noexcept {
        return probability > 0 && static_cast<double>(next() >> 11) * 0x1p-53 < probability;
    }

    /// Another source, which this one's later draws do not touch.
    random_source split() noexcept { return random_source(next()); }

  private:
    std::uint64_t state_;
};

}  // namespace sim
}  // namespace bight
