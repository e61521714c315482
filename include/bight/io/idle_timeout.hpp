// with_idle_timeout: ends a task whose connections are silent.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>
#include <bight/io/detail/idle_timeout.hpp>
#include <bight/io/stream.hpp>

#include <concepts>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Runs `awaited` (a task, or any operation) until `limit` has passed in which no byte was read from, or
/// written to, any of the streams. Then `awaited` is cancelled, and once it has unwound, std::system_error
/// with errc::timed_out is thrown.
///
///     co_await bight::with_idle_timeout(forward(client, server), 10min, client, server);
///
/// A read counts when its bytes have come, and a write, that of an outbox too, when its bytes were handed on;
/// while a long write waits for its peer, the parts that go count as well, but are noticed only when the
/// limit has passed, so that such a connection may be ended up to one limit later. Bytes count whoever reads
/// or writes them, and those that were put back with `unread` are not counted again. A read or a write that
/// is cancelled before any byte has gone counts for nothing, and so does a probe of set_keep_alive. Each byte
/// costs a few instructions and no timer; streams that nobody watches cost nothing.
///
/// A result that is there at the deadline wins. A cancellation of this task is passed on. Throws
/// std::system_error at once with EBADF for an empty stream, and with errc::wrong_thread when it is awaited
/// in a task of another reactor. The streams may be moved meanwhile, and may end before the task does.
template <class A, std::same_as<stream>... More>
detail::idle_timeout_awaiter<detail::awaited_type<A>, 1 + sizeof...(More)> with_idle_timeout(A awaited,
                                                                                             duration limit,
                                                                                             stream& first,
                                                                                             More&... more) {
    return {detail::to_task(std::move(awaited)), limit, detail::transport_to_watch(first),
            detail::transport_to_watch(more)...};
}

/// The same, but gives std::nullopt instead of an exception; for a task<void> a bool, false on time-out, and
/// for a task<T&> a pointer, null on time-out.
template <class A, std::same_as<stream>... More>
detail::optional_idle_timeout_awaiter<detail::awaited_type<A>, 1 + sizeof...(More)> try_with_idle_timeout(
    A awaited, duration limit, stream& first, More&... more) {
    return {detail::to_task(std::move(awaited)), limit, detail::transport_to_watch(first),
            detail::transport_to_watch(more)...};
}

// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto with_idle_timeout(detail::anything = {}, detail::anything = {}, detail::anything = {},
                       detail::anything = {}) {
    static_assert(
        fits,
        "with_idle_timeout(awaited, limit, stream) takes a task or another operation, then a time with its "
        "unit, then the streams, by their names: with_idle_timeout(work(), 30s, peer); a function or a "
        "lambda is called first, work() for work");
    return detail::refused_operation();
}
template <class Here = decltype([] {}), bool fits = false>
auto try_with_idle_timeout(detail::anything = {}, detail::anything = {}, detail::anything = {},
                           detail::anything = {}) {
    static_assert(
        fits,
        "try_with_idle_timeout(awaited, limit, stream) takes a task or another operation, then a time with "
        "its unit, then the streams, by their names: try_with_idle_timeout(work(), 30s, peer); a function or "
        "a lambda is called first, work() for work");
    return detail::refused_operation();
}

}  // namespace bight
