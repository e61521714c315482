// random_source: a seeded random number generator.
#pragma once

#include <bight/core/detail/split_mix.hpp>
#include <bight/core/export.hpp>

#include <cstddef>
#include <cstdint>

namespace BIGHT_EXPORT bight {
namespace sim {

/// The SplitMix64 generator. A seed gives the same numbers on every machine and compiler, unlike the
/// distributions of <random>.
class random_source {
  public:
    explicit random_source(std::uint64_t seed) noexcept : state_(seed) {}

    std::uint64_t next() noexcept { return bight::detail::split_mix(state_); }

    /// Uniformly distributed from 0 to `count` - 1; 0 for a count of 0.
    std::uint64_t below(std::uint64_t count) noexcept { return count > 0 ? next() % count : 0; }
    /// Uniformly distributed from `low` to `high`, both included.
    std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept {
        return high > low ? low + below(high - low + 1) : low;
    }
    /// True with this probability. For 0 and less it draws no number, so that a disabled fault changes
    /// nothing.
    bool chance(double probability) noexcept {
        return probability > 0 && static_cast<double>(next() >> 11) * 0x1p-53 < probability;
    }

    /// Another source, independent of later draws from this one.
    random_source split() noexcept { return random_source(next()); }

  private:
    std::uint64_t state_;
};

}  // namespace sim
}  // namespace bight
