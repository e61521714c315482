// Wall-clock time, simulated in a simulated world.
#pragma once

#include <bight/core/detail/date_awaiter.hpp>
#include <bight/core/export.hpp>

#include <chrono>

namespace BIGHT_EXPORT bight {

/// The date and time of day from std::chrono::system_clock, or from the simulated world (bight/sim/world.hpp)
/// that runs here. This clock may jump: for deadlines use reactor::now. Thread: any.
std::chrono::system_clock::time_point wall_clock_now() noexcept;

/// Waits until wall_clock_now is `date` or later. It follows the clock: when somebody sets it, the wait ends
/// sooner or later than it would have; a jump is noticed within a second (a wait costs a look at the clock
/// each second). For a length of time use sleep_for, which follows no jump. With a virtual_clock, which has
/// no date of its own, what is left at the beginning is waited for. A date that has passed waits for the next
/// turn. Cancelling ends it at once. Thread: the reactor's.
inline detail::date_awaiter sleep_until(std::chrono::system_clock::time_point date) noexcept {
    return detail::date_awaiter{date};
}

}  // namespace bight
