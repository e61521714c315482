// Implementation of bight/generator/merge.hpp.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/group.hpp>
#include <bight/core/task.hpp>
#include <bight/generator/detail/fan_in.hpp>
#include <bight/generator/generator.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

namespace detail {

/// Offers the items of one source, one at a time.
template <class T>
task<> feed(fan_in& to, generator<T> source) {
    offer out(to);
    while (auto item = co_await source.next()) co_await out.of(std::addressof(*item));
}

/// Starts a task for each source.
template <class T>
class merge_crew {
  public:
    explicit merge_crew(std::vector<generator<T>>&& sources) noexcept : sources_(std::move(sources)) {}
    task<> operator()(fan_in& to, group& crew) {
        for (auto& source : sources_) crew.spawn(feed(to, std::move(source)));
        co_return;
    }

  private:
    std::vector<generator<T>> sources_;
};

/// A generator of the items that `crew` produces. The crew's tasks run in `scope`, and are cancelled when the
/// generator is destroyed.
template <class T, class Crew>
generator<T> gathered(group& scope, Crew crew, bool in_order) {
    fan_in& shared = *new fan_in(in_order);
    const consumer_reference keep(shared);
    scope.spawn(run_crew(crew_reference(shared), std::move(crew)));
    while (auto item = co_await take_awaiter<T>(shared)) co_yield *std::move(item);
}

}  // namespace detail

}  // namespace bight
