// draining: how a connection learns that its server is to end.
#pragma once

#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>
#include <bight/net/detail/draining.hpp>

#include <utility>

namespace BIGHT_EXPORT bight {

/// True when the task belongs to a connection of a server (serve) that accepts no more and gives its
/// connections serve_options::drain to end. A task belongs to the connection that it was started in, through
/// any number of groups and time-outs; in one that belongs to none it is false.
bool is_draining() noexcept;

/// Waits until the server drains, and not at all when it does already. In a task that belongs to no
/// connection it waits until it is cancelled, so that a protocol may be tested without a server. Cancelling
/// it changes nothing. Thread: the reactor's.
///
///     g.spawn([&]() -> bight::task<> {
///         co_await bight::draining();
///         co_await peer.write("421 closing\r\n");
///     });
inline detail::draining_awaiter draining() noexcept { return {}; }

/// Awaits `awaited` (a task, or any operation) unless the server drains: then it is cancelled, and the result
/// is std::nullopt; false for a task<void>, whose result is true otherwise, and null for a task<T&>. A result
/// that is there by then wins, so a request that has arrived is answered still. Between two requests of a
/// connection that is kept alive:
///
///     while (auto request = co_await bight::until_draining(lines.next())) …
///
/// Errors and a cancellation of the whole are passed on.
template <class A>
detail::draining_scope<detail::awaited_type<A>> until_draining(A awaited) noexcept(
    noexcept(detail::to_task(std::move(awaited)))) {
    return detail::draining_scope<detail::awaited_type<A>>(detail::to_task(std::move(awaited)));
}

}  // namespace bight
