// The date and time of day, simulated where the program is.
#pragma once

#include <bight/core/export.hpp>

#include <chrono>

namespace BIGHT_EXPORT bight {

/// The date and time of day, as std::chrono::system_clock has it; in a simulated world
/// (bight/sim/world.hpp) that world's. For deadlines use reactor::now: this clock may jump. Thread: any.
std::chrono::system_clock::time_point wall_clock_now() noexcept;

}  // namespace bight
