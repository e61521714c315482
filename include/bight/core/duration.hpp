// clock, time_point, duration: the time types of the library.
#pragma once

#include <bight/core/export.hpp>

#include <chrono>
#include <cstdint>
#include <ratio>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// The clock of every deadline in bight: monotonic, unaffected by changes of the date.
using clock = std::chrono::steady_clock;
using time_point = clock::time_point;

namespace detail {

/// `d` converted to the clock's unit; the longest or the shortest duration where it does not fit.
template <class Rep, class Period>
constexpr clock::duration saturated(const std::chrono::duration<Rep, Period>& d) noexcept {
    using target = clock::duration;
    using factor = std::ratio_divide<Period, target::period>;
    if constexpr (std::is_floating_point_v<Rep>) {
        if (d.count() != d.count()) return target::zero();
        const long double count = static_cast<long double>(d.count()) * factor::num / factor::den;
        constexpr auto most = static_cast<long double>(target::max().count());
        if (count >= most) return target::max();
        if (count <= -most) return target::min();
        return target(static_cast<target::rep>(count));
    } else {
        using wide = std::common_type_t<Rep, std::intmax_t>;
        constexpr std::intmax_t most = target::max().count() / factor::num - (factor::den == 1 ? 0 : 1);
        const wide whole = static_cast<wide>(d.count()) / static_cast<wide>(factor::den);
        const wide rest = static_cast<wide>(d.count()) % static_cast<wide>(factor::den);
        if (std::cmp_greater(whole, most)) return target::max();
        if (std::cmp_less(whole, -most)) return target::min();
        return target(static_cast<std::intmax_t>(whole) * factor::num +
                      static_cast<std::intmax_t>(rest) * factor::num / factor::den);
    }
}

}  // namespace detail

/// A length of time, as every function and option of bight takes it. Any std::chrono::duration converts to
/// it. One that is too long for the clock's nanoseconds (292 years) becomes duration::max(), so "for ever"
/// may be written in any unit, as std::chrono::hours::max() for example; one that is too far below zero
/// becomes duration::min(). Fractions of a nanosecond are cut off, and not-a-number becomes zero.
///
/// Otherwise it is a std::chrono::nanoseconds: arithmetic gives std::chrono::nanoseconds, which overflow as
/// usual. It is trivial, as options must be (see reactor_options).
class duration : public clock::duration {
  public:
    duration() noexcept = default;
    explicit constexpr duration(rep nanoseconds) noexcept : clock::duration(nanoseconds) {}
    template <class Rep, class Period>
        requires std::is_arithmetic_v<Rep>
    constexpr duration(const std::chrono::duration<Rep, Period>& d) noexcept
        : clock::duration(detail::saturated(d)) {}

    static constexpr duration zero() noexcept { return duration(0); }
    static constexpr duration min() noexcept { return clock::duration::min(); }
    static constexpr duration max() noexcept { return clock::duration::max(); }
};

/// `from` + `by`, limited to the range of the clock: a "forever" of any size stays in the future.
constexpr time_point saturating_add(time_point from, duration by) noexcept {
    if (by > duration::zero()) return from > time_point::max() - by ? time_point::max() : from + by;
    return from < time_point::min() - by ? time_point::min() : from + by;
}

}  // namespace bight
