// merge: combines several generators into one, in order of arrival.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/group.hpp>
#include <bight/core/task.hpp>
#include <bight/generator/detail/fan_in.hpp>
#include <bight/generator/detail/merge.hpp>
#include <bight/generator/generator.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

/// Gives the items of all `sources` in the order in which they arrive; items of one source keep their order.
/// Ends when all sources have ended.
///
/// From the first next() on the sources run concurrently with the consumer, as tasks of `scope`. Each is at
/// most one item ahead: it goes on when that item has been taken. When a source fails, the others are
/// cancelled and items not yet taken are dropped; once all have unwound, next() throws the error (several as
/// an aggregate_error).
///
/// Dropping the generator, or cancelling the task that waits in its next(), cancels the sources; they have
/// unwound at the latest when the with_group of `scope` returns. (A destructor cannot await their end, hence
/// `scope`.) `scope` must outlive the generator. When `scope` is cancelled but the consumer is not, next()
/// throws std::errc::operation_canceled.
template <class T>
generator<T> merge(group& scope, std::vector<generator<T>> sources) {
    static_assert(!std::is_reference_v<T>,
                  "a source goes on when its item was taken, so that a reference to it would dangle");
    return detail::gathered<T>(scope, detail::merge_crew<T>(std::move(sources)), false);
}

/// The same, for generators of one type.
///
///     co_await bight::with_group([&](bight::group& g) -> bight::task<> {
///         auto all = bight::merge(g, lines(keyboard), lines(network));
///         while (auto line = co_await all.next()) show(*line);
///     });
template <class T, std::same_as<generator<T>>... More>
generator<T> merge(group& scope, generator<T> first, More... more) {
    std::vector<generator<T>> sources;
    sources.reserve(1 + sizeof...(more));
    sources.push_back(std::move(first));
    (sources.push_back(std::move(more)), ...);
    return merge(scope, std::move(sources));
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto merge(detail::anything = {}, detail::anything = {}, detail::anything = {}, detail::anything = {}) {
    static_assert(fits,
                  "merge(group, generators...) takes a group, then generators of one type, or a vector of "
                  "them: merge(g, lines(a), lines(b)); one that has a name is moved in, std::move(x)");
    return detail::refused_operation();
}

}  // namespace bight
