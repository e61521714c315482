// Implementation of bight/generator/generator_adaptors.hpp.
#pragma once

#include <bight/core/detail/borrowed_arguments.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/generator/generator.hpp>

#include <cstddef>
#include <functional>
#include <iterator>
#include <type_traits>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

namespace detail {

/// The type `R`, or if that is an awaitable, the type that awaiting it gives.
template <class R>
struct settled {
    using type = R;
};
template <bight_awaitable R>
struct settled<R> {
    using type = awaited_type<R>;
};

template <class F, class T>
using called = std::invoke_result_t<F&, T&&>;
template <class F, class T>
using settled_call = typename settled<called<F, T>>::type;

/// A type that a range-based for loop accepts (a generator is none).
template <class R>
concept item_range = std::is_object_v<R> && requires(R& r) {
    std::begin(r) != std::end(r);
    *std::begin(r);
};
template <class R>
using range_item = typename std::iterator_traits<decltype(std::begin(std::declval<R&>()))>::value_type;
/// Whether R is a container, which owns its items: its items are const when it is const. The items of a view,
/// which others may use too, are not.
template <class R>
inline constexpr bool owns_items =
    std::is_const_v<std::remove_reference_t<decltype(*std::begin(std::declval<const R&>()))>>;

/// An lvalue reference stays one; anything else becomes an object type.
template <class R>
using as_item = std::conditional_t<std::is_lvalue_reference_v<R>, R, std::remove_cvref_t<R>>;

/// The type in which a predicate gets an item.
template <class T>
using looked_at = const std::remove_reference_t<T>&;
template <class F, class T>
concept predicate_of = requires(typename settled<std::invoke_result_t<F&, looked_at<T>>>::type (*gives)()) {
    static_cast<bool>(gives());
};

}  // namespace detail

}  // namespace bight
