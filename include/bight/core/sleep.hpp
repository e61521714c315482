// sleep_for, sleep_until, yield: suspend a task for a time, or for a turn.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/sleep.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>

namespace BIGHT_EXPORT bight {

/// Waits for at least `d`; a `d` of zero or less waits for the next turn. Cancelling ends it at once.
inline detail::sleep_awaiter sleep_for(duration d) noexcept { return detail::sleep_awaiter{d}; }
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto sleep_for(detail::anything = {}) {
    static_assert(
        fits,
        "sleep_for(d) takes a length of time with its unit: 5s, 500ms, std::chrono::seconds(n), after "
        "using namespace std::chrono_literals; for a point in time write sleep_until(t)");
    return detail::refused_operation();
}

/// Waits until the clock shows `t` or later.
inline detail::sleep_awaiter sleep_until(time_point t) noexcept { return detail::sleep_awaiter{t}; }
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto sleep_until(detail::anything) {
    static_assert(fits,
                  "sleep_until(t) takes a time_point of bight::clock, which is std::chrono::steady_clock "
                  "(bight::now() + 5s), or a date of std::chrono::system_clock (bight/core/wall_clock.hpp); "
                  "for a length of time write sleep_for(5s)");
    return detail::refused_operation();
}

/// Lets everything else that is ready run first.
inline detail::yield_awaiter yield() noexcept { return detail::yield_awaiter{}; }

}  // namespace bight
