// refuse_await: what to write for a co_await of something that is not bight's.
#pragma once

#include <bight/core/detail/awaitable.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>

#include <type_traits>

namespace BIGHT_EXPORT bight {
namespace detail {

template <class A>
concept gives_awaitable = requires(A& a) {
    { a() } -> bight_awaitable;
};
template <class A>
concept is_function = std::is_function_v<A> || requires { &A::operator(); };
template <class A>
concept is_deadline = requires(A& a) {
    a.push();
    a.limit();
    a.when();
};
template <class A>
concept length_of_time = requires {
    typename A::rep;
    typename A::period;
};
template <class A>
concept has_items = requires(A& a) {
    { a.next() } -> bight_awaitable;
};
/// Something that has the operation that is meant: an event, a channel, a mutex, a listener.
template <class A>
concept has_operation = requires(A& a) {
    { a.wait() } -> bight_awaitable;
} || requires(A& a) {
    { a.receive() } -> bight_awaitable;
} || requires(A& a) {
    { a.lock() } -> bight_awaitable;
} || requires(A& a) {
    { a.acquire() } -> bight_awaitable;
} || requires(A& a) {
    { a.accept() } -> bight_awaitable;
} || requires(A& a) {
    { a.read_some() } -> bight_awaitable;
} || requires(A& a) {
    { a.tick() } -> bight_awaitable;
} || requires(A& a) {
    { a.line() } -> bight_awaitable;
} || requires(A& a) {
    { a.flush() } -> bight_awaitable;
} || requires(A& a) {
    { a.take(1) } -> bight_awaitable;
};
template <class A>
concept has_awaitables = requires(A& a) {
    { *a.begin() } -> bight_awaitable;
};
template <class A>
concept blocking_future = requires(A& a) {
    a.get();
    a.wait();
    a.valid();
};
template <class A>
concept foreign_awaitable = requires(A& a) { a.await_ready(); } || requires(A&& a) {
    static_cast<A&&>(a).operator co_await();
} || requires(A&& a) { operator co_await(static_cast<A&&>(a)); };

/// For an A that is not bight_awaitable: does not compile.
template <class A>
consteval void refuse_await() {
    using awaited = std::remove_reference_t<A>;
    if constexpr (gives_awaitable<awaited>) {
        static_assert(
            never<A>,
            "a function or a lambda is called, and what it gives is awaited: co_await work() for work");
    } else if constexpr (is_function<awaited>) {
        static_assert(
            never<A>,
            "a function or a lambda is called, and what it gives is awaited: co_await f(arguments)");
    } else if constexpr (is_deadline<awaited>) {
        static_assert(
            never<A>,
            "a deadline is not awaited, a task is, under it: co_await bight::with_timeout(work(), limit)");
    } else if constexpr (length_of_time<awaited>) {
        static_assert(never<A>, "a time is not awaited by itself: co_await bight::sleep_for(5s)");
    } else if constexpr (has_items<awaited>) {
        static_assert(never<A>,
                      "the items of a generator, or the lines of a reader, are awaited one by one: "
                      "while (auto item = co_await items.next())");
    } else if constexpr (has_operation<awaited>) {
        static_assert(never<A>,
                      "an object is not awaited, its operation is: co_await x.wait(), x.receive(), x.lock(), "
                      "x.acquire(), x.accept(), x.read_some(), x.tick(), x.line(), x.flush() or x.take(n), "
                      "whichever it has");
    } else if constexpr (has_awaitables<awaited>) {
        static_assert(never<A>,
                      "several tasks are awaited together: co_await bight::when_all(std::move(tasks))");
    } else if constexpr (blocking_future<awaited>) {
        static_assert(never<A>,
                      "a future blocks its thread: co_await bight::offload([&] { return future.get(); }), or "
                      "have its producer fire a bight::deferred, and co_await that");
    } else if constexpr (foreign_awaitable<awaited>) {
        static_assert(
            never<A>,
            "a bight task awaits bight's awaitables only: to wait for another library's callback or "
            "coroutine, make a bight::deferred, have that fire it with set_value, and co_await the deferred");
    } else {
        static_assert(
            never<A>,
            "this is a value already, and nothing to wait for: write it without co_await (a bight task "
            "awaits bight's awaitables only)");
    }
}

}  // namespace detail
}  // namespace bight
