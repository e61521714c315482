// is_draining, draining, until_draining: tell a connection that its server is shutting down.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>
#include <bight/net/detail/draining.hpp>

#include <utility>

namespace BIGHT_EXPORT bight {

/// True when the task belongs to a connection of a server (serve) that accepts no more and gives its
/// connections serve_options::drain to end. A task belongs to the connection in which it was started, through
/// any number of groups and time-outs. In a task of no connection it is false.
bool is_draining() noexcept;

/// Waits until the server drains; returns at once when it drains already. In a task that belongs to no
/// connection it waits until it is cancelled, so that a protocol may be tested without a server. Cancelling
/// it changes nothing. Thread: the reactor's.
///
///     g.spawn([&]() -> bight::task<> {
///         co_await bight::draining();
///         co_await peer.write("421 closing\r\n");
///     });
inline detail::draining_awaiter draining() noexcept { return {}; }

/// Awaits `awaited` (a task, or any operation), but cancels it when the server drains: then the result is
/// std::nullopt (for a task<void> false instead of true, for a task<T&> null). A result that is there by then
/// wins, so a request that has arrived is still answered. Between two requests of a connection that is kept
/// alive:
///
///     while (auto request = co_await bight::until_draining(lines.next())) {
///         …answer it…
///         if (bight::is_draining()) break;   // the next one may have arrived already
///     }
///
/// Errors, and a cancellation of this task, are passed on.
template <class A>
detail::draining_scope<detail::awaited_type<A>> until_draining(A awaited) noexcept(
    noexcept(detail::to_task(std::move(awaited)))) {
    return detail::draining_scope<detail::awaited_type<A>>(detail::to_task(std::move(awaited)));
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto until_draining(detail::anything = {}, detail::anything = {}) {
    static_assert(
        fits,
        "until_draining(awaited) takes one task or another operation: until_draining(lines.next()); "
        "a function or a lambda is called first, work() for work, and what is not to be ended "
        "stays outside of it; draining() waits for nothing else");
    return detail::refused_operation();
}

}  // namespace bight
