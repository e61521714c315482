// map_concurrent, for_each_concurrent: calls a function for each item, a limited number of calls at a time.
#pragma once

#include <bight/core/detail/borrowed_arguments.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/group.hpp>
#include <bight/core/task.hpp>
#include <bight/generator/detail/map_concurrent.hpp>
#include <bight/generator/generator.hpp>
#include <bight/generator/generator_adaptors.hpp>
#include <bight/generator/merge.hpp>

#include <coroutine>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Gives the values of the tasks `f(item)`, in the order of the items; up to `limit` of the tasks run
/// concurrently. Nothing is started before the first next(); from then on they run concurrently with the
/// consumer, as tasks of `scope`. A value that has not been taken counts towards `limit`, so a slow consumer
/// slows the source down.
///
/// When `source` or a call fails, the rest is cancelled and values not yet taken are dropped; once all have
/// unwound, next() throws the error (several as an aggregate_error). Dropping the generator, or cancelling
/// the task that waits in its next(), cancels the calls; see merge for when they have unwound, and for
/// `scope`. `f` is stored until then, so that it may capture. Throws std::invalid_argument when `limit` is
/// zero.
template <class T, class F>
auto map_concurrent(group& scope, generator<T> source, std::size_t limit, F f) {
    return detail::map_several(scope, std::move(source), limit, std::move(f), true);
}

/// The same for the items of a range, which is kept (see items_of).
template <detail::item_range R, class F>
auto map_concurrent(group& scope, R source, std::size_t limit, F f) {
    return detail::map_several(scope, items_of(std::move(source)), limit, std::move(f), true);
}

/// The same, but gives the values in the order in which the calls end.
template <class T, class F>
auto map_concurrent_unordered(group& scope, generator<T> source, std::size_t limit, F f) {
    return detail::map_several(scope, std::move(source), limit, std::move(f), false);
}

template <detail::item_range R, class F>
auto map_concurrent_unordered(group& scope, R source, std::size_t limit, F f) {
    return detail::map_several(scope, items_of(std::move(source)), limit, std::move(f), false);
}

/// Awaits `f(item)` for each item, up to `limit` at once; returns when all have ended. The first error
/// cancels the rest, and is thrown once they have unwound; a cancellation is passed on. `f` is stored until
/// then. Values of the calls are dropped. Throws std::invalid_argument at once when `limit` is zero.
template <class T, class F>
task<> for_each_concurrent(generator<T> source, std::size_t limit, F f) {
    if constexpr (detail::check_concurrent_call<T, F>()) {
        return detail::run_each(detail::each_crew<T, F>(std::move(source), limit, std::move(f)));
    } else {
        return detail::refused_operation();
    }
}

/// The same for the items of a range, which is kept (see items_of).
template <detail::item_range R, class F>
task<> for_each_concurrent(R source, std::size_t limit, F f) {
    return for_each_concurrent(items_of(std::move(source)), limit, std::move(f));
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto map_concurrent(detail::anything = {}, detail::anything = {}, detail::anything = {},
                    detail::anything = {}) {
    static_assert(fits,
                  "map_concurrent(group, items, limit, f) takes a group, a generator or a range, how many at "
                  "once, then a function that gives a task for an item: map_concurrent(g, urls, 10, fetch)");
    return detail::refused_operation();
}
template <class Here = decltype([] {}), bool fits = false>
auto map_concurrent_unordered(detail::anything = {}, detail::anything = {}, detail::anything = {},
                              detail::anything = {}) {
    static_assert(
        fits,
        "map_concurrent_unordered(group, items, limit, f) takes a group, a generator or a range, how "
        "many at once, then a function that gives a task for an item: "
        "map_concurrent_unordered(g, urls, 10, fetch)");
    return detail::refused_operation();
}
template <class Here = decltype([] {}), bool fits = false>
auto for_each_concurrent(detail::anything = {}, detail::anything = {}, detail::anything = {},
                         detail::anything = {}) {
    static_assert(
        fits,
        "for_each_concurrent(items, limit, f) takes a generator or a range, how many at once, then a "
        "function that gives a task for an item, and no group: for_each_concurrent(urls, 10, fetch)");
    return detail::refused_operation();
}

}  // namespace bight
