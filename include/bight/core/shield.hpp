// shield: protects an await from cancellation, up to a deadline.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/detail/shield.hpp>
#include <bight/core/export.hpp>

#include <chrono>
#include <coroutine>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Runs `awaited` to its end even when this task is cancelled meanwhile or was cancelled before, but for at
/// most `deadline` after the cancellation: then `awaited` is cancelled too. The result of `awaited` is
/// delivered, and this task is cancelled at its next await. reactor::stop_now (the second SIGINT) ends the
/// deadline at once.
template <class A>
detail::shield_awaiter<detail::awaited_type<A>> shield(A awaited, duration deadline) noexcept(
    noexcept(detail::to_task(std::move(awaited)))) {
    return {detail::to_task(std::move(awaited)), deadline};
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto shield(detail::anything = {}, detail::anything = {}) {
    static_assert(fits,
                  "shield(awaited, deadline) takes a task or another operation, then how long it may go on "
                  "after a cancellation: shield(work(), 5s); a function or a lambda is called first, work() "
                  "for work");
    return detail::refused_operation();
}

}  // namespace bight
