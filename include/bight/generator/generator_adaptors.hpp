// map, filter, take, items_of, collect: sequential operations on generators.
#pragma once

#include <bight/core/detail/borrowed_arguments.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/generator/detail/generator_adaptors.hpp>
#include <bight/generator/generator.hpp>

#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

/// Gives `f(item)` for each item. When `f` gives a task (or another awaitable of bight), that is awaited, one
/// at a time (for several at a time see map_concurrent). An error of `f` or of `source` ends the generator.
template <class T, class F>
generator<detail::as_item<detail::settled_call<F, T>>> map(generator<T> source, F f) {
    using result = detail::as_item<detail::settled_call<F, T>>;
    while (auto item = co_await source.next()) {
        if constexpr (detail::bight_awaitable<detail::called<F, T>>) {
            detail::refuse_temporaries<F, T>();
            auto awaited = std::invoke(f, *std::move(item));
            decltype(auto) value = co_await std::move(awaited);
            co_yield static_cast<result&&>(value);
        } else {
            decltype(auto) value = std::invoke(f, *std::move(item));
            co_yield static_cast<result&&>(value);
        }
    }
}

/// Gives the items of `source` for which `wanted(item)` is true. `wanted` takes a const reference and gives a
/// bool or a task<bool>.
template <class T, detail::predicate_of<T> F>
generator<T> filter(generator<T> source, F wanted) {
    while (auto item = co_await source.next()) {
        bool yes = false;
        if constexpr (detail::bight_awaitable<detail::called<F, detail::looked_at<T>>>) {
            detail::refuse_temporaries<F, const std::remove_reference_t<T>>();
            auto awaited = std::invoke(wanted, static_cast<detail::looked_at<T>>(*item));
            yes = co_await std::move(awaited);
        } else {
            yes = static_cast<bool>(std::invoke(wanted, static_cast<detail::looked_at<T>>(*item)));
        }
        if (yes) co_yield *std::move(item);
    }
}

/// Gives the first `count` items of `source` and asks it for no more: its body stays suspended at the last of
/// them, and is destroyed with this generator.
template <class T>
generator<T> take(generator<T> source, std::size_t count) {
    for (; count > 0; --count) {
        auto item = co_await source.next();
        if (!item) co_return;
        co_yield *std::move(item);
    }
}

/// Gives the items of a range (a vector, a list, an array, …), moved out of it one by one. The range is moved
/// or copied into the generator. For a range that lives longer, give a std::span or a view of it; the items
/// of a span, and of a range of const, are copied.
template <detail::item_range R>
generator<detail::range_item<R>> items_of(R items) {
    for (auto&& item : items) {
        if constexpr (detail::owns_items<R>) {
            co_yield std::move(item);
        } else {
            co_yield detail::range_item<R>(item);
        }
    }
}

/// Runs `source` to its end, and gives all its items. An error of `source` is thrown, and the items are lost.
template <class T>
task<std::vector<T>> collect(generator<T> source) {
    std::vector<T> items;
    while (auto item = co_await source.next()) items.push_back(*std::move(item));
    co_return items;
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto map(detail::anything = {}, detail::anything = {}) {
    static_assert(
        fits,
        "map(generator, f) takes a generator, moved in if it has a name, then a function of an item: "
        "map(std::move(lines), parse); a range is given as items_of(range)");
    return detail::refused_operation();
}
template <class Here = decltype([] {}), bool fits = false>
auto filter(detail::anything = {}, detail::anything = {}) {
    static_assert(
        fits,
        "filter(generator, wanted) takes a generator, moved in if it has a name, then a function of "
        "an item that gives a bool, or a task<bool>; a range is given as items_of(range)");
    return detail::refused_operation();
}

}  // namespace bight
