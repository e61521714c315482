// Wall-clock time, simulated in a simulated world.
#pragma once

#include <bight/core/export.hpp>

#include <chrono>

namespace BIGHT_EXPORT bight {

/// The date and time of day from std::chrono::system_clock, or from the simulated world (bight/sim/world.hpp)
/// that runs here. This clock may jump: for deadlines use reactor::now. Thread: any.
std::chrono::system_clock::time_point wall_clock_now() noexcept;

}  // namespace bight
