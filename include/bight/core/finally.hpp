// finally: asynchronous clean-up that runs however the body ends.
#pragma once

#include <bight/core/detail/finally.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>

#include <chrono>
#include <coroutine>
#include <exception>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Runs `body`, then the task that `cleanup()` makes, however the body ended: with a value, with an error, or
/// by cancellation. The clean-up is shielded from cancellation, but is cancelled after `deadline` (or by
/// reactor::stop_now); it then counts as failed with errc::timed_out. Gives the body's value or throws its
/// error. An error of the clean-up is thrown if the body succeeded; otherwise it goes to the error handler,
/// except when stop_now left the clean-up no time. `cleanup` is stored until its task has ended, so it may
/// capture. When this task is cancelled already, the body is skipped and the clean-up runs.
template <class A, class F>
    requires std::is_invocable_r_v<task<>, F&>
detail::finally_awaiter<detail::awaited_type<A>, F> finally(A body, F cleanup,
                                                            duration deadline = std::chrono::seconds(10)) {
    return {detail::to_task(std::move(body)), std::move(cleanup), deadline};
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto finally(detail::anything = {}, detail::anything = {}, detail::anything = {}) {
    static_assert(fits,
                  "finally(body, cleanup, deadline) takes a task, then a function that gives a task<>, which "
                  "is not called here: finally(work(), [&]() -> bight::task<> { ... })");
    return detail::refused_operation();
}

}  // namespace bight
