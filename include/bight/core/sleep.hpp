// sleep_for, sleep_until, yield: suspend a task for a time, or for a turn.
#pragma once

#include <bight/core/detail/sleep.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>

namespace BIGHT_EXPORT bight {

/// Waits for at least `d`; a `d` of zero or less waits for the next turn. Cancelling ends it at once.
inline detail::sleep_awaiter sleep_for(duration d) noexcept { return detail::sleep_awaiter{d}; }

/// Waits until the clock shows `t` or later.
inline detail::sleep_awaiter sleep_until(time_point t) noexcept { return detail::sleep_awaiter{t}; }

/// Lets everything else that is ready run first.
inline detail::yield_awaiter yield() noexcept { return detail::yield_awaiter{}; }

}  // namespace bight
