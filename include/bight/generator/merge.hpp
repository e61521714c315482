// merge: the items of several generators, as they come.
#pragma once

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

/// The items of all `sources`, in the order in which they come; those of one source keep their order. Ends
/// when all sources have ended.
///
/// The sources run beside the consumer, as tasks of `scope`, from the first next() on. Each is at most one
/// item ahead: it goes on when that has been taken. When a source fails, the others are cancelled, items not
/// yet taken are dropped, and once all have unwound next() throws the error (several as an aggregate_error).
///
/// Dropping the generator, or cancelling the task that waits in its next(), cancels the sources; they have
/// unwound at the latest when the with_group of `scope` returns, as nothing that may have to await its own
/// end can be left to a destructor. `scope` must outlive the generator. When `scope` is cancelled under a
/// consumer that goes on, next() throws std::errc::operation_canceled.
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

}  // namespace bight
