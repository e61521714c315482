// on: calls a function on another reactor and awaits its result.
#pragma once

#include <bight/core/detail/borrowed_arguments.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/thread/detail/on.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Calls `f(args…)` on the thread of the reactor `there`, in its next turn, and gives the result here, or
/// throws what it threw. When `f` gives a task, that is awaited there; any other result is returned as it is.
///
///     const auto users = co_await bight::on(cores.reactor(0), [&] { return registry.size(); });
///
/// `f` and the arguments are stored, moved into the call (std::ref for references), and destroyed on the
/// thread of `there` before the result comes here; if the call never begins, here. The frame of the task and
/// all that it holds are made and destroyed there; the result is moved there and then here, and must not
/// refer to objects of `there` that only its own tasks may use (a stream, say).
///
/// Cancellation: when the task that waits is cancelled, the task there is cancelled, and this one waits for
/// its end; a call that has not begun never begins, and this task goes on at once, though `there` may be
/// busy, or not run. A result that was there at the same time is delivered. When `there` stops, or its `run`
/// ends, it cancels the task, which throws std::errc::operation_canceled here. When it has stopped already,
/// or stops or is destroyed before the call has begun, errc::closed is thrown, and nothing was done. A call
/// before the first run of `there` waits for that run.
///
/// `there` must exist when this is awaited, and may be the reactor of the task itself. Thread: any reactor's;
/// plain threads have block_on. A virtual clock of this reactor stands still meanwhile.
///
/// Throws std::bad_alloc: a call has a small block of memory, which stays after one that was given up until
/// `there` comes to it or is destroyed.
template <class F, class... Args>
    requires std::invocable<std::decay_t<F>&, std::decay_t<Args>...> && detail::kept_for_on<F, Args...>
detail::on_awaiter<std::decay_t<F>, std::decay_t<Args>...> on(reactor& there, F&& f, Args&&... args) {
    detail::refuse_temporaries<std::decay_t<F>, std::decay_t<Args>...>();
    return {there, std::forward<F>(f), std::forward<Args>(args)...};
}
// For arguments that cannot be kept.
template <class F, class... Args>
    requires std::invocable<std::decay_t<F>&, std::decay_t<Args>...> && (!detail::kept_for_on<F, Args...>)
auto on(reactor&, F&&, Args&&...) {
    static_assert(detail::kept_for_on<F, Args...>,
                  "on keeps copies of the function and of its arguments, and one of these cannot be copied: "
                  "give what moves only (a std::unique_ptr) as std::move(x), and what is shared as "
                  "std::ref(x); a stream stays with its own reactor");
    return detail::refused_operation();
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto on(detail::anything = {}, detail::anything = {}, detail::anything = {}, detail::anything = {},
        detail::anything = {}) {
    static_assert(
        fits,
        "on(reactor, f, arguments...) takes the reactor first, as in on(cores.reactor(0), f), then a "
        "function, not the task that it gives, which is called there with these arguments: work for work(), "
        "std::ref(x) for a parameter T&, a lambda that calls it for an overloaded or a template function");
    return detail::refused_operation();
}

}  // namespace bight
