// with_timeout, try_with_timeout: a time limit for a task.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/detail/timeout.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

#include <coroutine>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Runs `awaited` (a task, or any operation) for at most `limit`. When the deadline comes first, `awaited` is
/// cancelled, and once it has unwound, std::system_error with errc::timed_out is thrown. A result that is
/// there at the deadline wins. A cancellation of this task is passed on.
template <class A>
detail::timeout_awaiter<detail::awaited_type<A>> with_timeout(A awaited, duration limit) noexcept(
    noexcept(detail::to_task(std::move(awaited)))) {
    return {detail::to_task(std::move(awaited)), limit};
}

/// The same, but gives std::nullopt instead of an exception when the deadline wins. For a task<void> it gives
/// a bool, false on time-out; for a task<T&> a pointer, null on time-out.
template <class A>
detail::optional_timeout_awaiter<detail::awaited_type<A>> try_with_timeout(
    A awaited, duration limit) noexcept(noexcept(detail::to_task(std::move(awaited)))) {
    return {detail::to_task(std::move(awaited)), limit};
}

// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto with_timeout(detail::anything = {}, detail::anything = {}) {
    static_assert(
        fits,
        "with_timeout(awaited, limit) takes a task or another operation, then a time with its unit: "
        "with_timeout(work(), 5s), or a point in time minus the present, or a movable_deadline that has a "
        "name; a function or a lambda is called first, work() for work");
    return detail::refused_operation();
}
template <class Here = decltype([] {}), bool fits = false>
auto try_with_timeout(detail::anything = {}, detail::anything = {}) {
    static_assert(
        fits,
        "try_with_timeout(awaited, limit) takes a task or another operation, then a time with its unit: "
        "try_with_timeout(work(), 5s), or a point in time minus the present, or a movable_deadline that "
        "has a name; a function or a lambda is called first, work() for work");
    return detail::refused_operation();
}

}  // namespace bight
