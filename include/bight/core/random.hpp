// Random numbers, reproducible under simulation.
#pragma once

#include <bight/core/export.hpp>

#include <cstdint>

namespace BIGHT_EXPORT bight {

/// 64 random bits. In a simulated world (bight/sim/world.hpp) they follow from the world's seed, so that a
/// run can be repeated; elsewhere they come from a generator of this thread, seeded by the operating system.
/// Not for secrets. Thread: any.
std::uint64_t random() noexcept;

/// A uniformly distributed number from 0 to `count` - 1; 0 for a count of 0. The bias is below `count` /
/// 2^64.
inline std::uint64_t random_below(std::uint64_t count) noexcept { return count > 0 ? random() % count : 0; }

}  // namespace bight
