// Implementation of bight/generator/generator_adaptors.hpp: what its operations are made of.
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

/// What calling `F` gives once it has been awaited, if it gives something to await.
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

/// What a range-based for takes, but for generators.
template <class R>
concept item_range = std::is_object_v<R> && requires(R& r) {
    std::begin(r) != std::end(r);
    *std::begin(r);
};
template <class R>
using range_item = typename std::iterator_traits<decltype(std::begin(std::declval<R&>()))>::value_type;
/// A container, whose items go with it; a view, whose items may be others' too, is const as a whole and not
/// in its items.
template <class R>
inline constexpr bool owns_items =
    std::is_const_v<std::remove_reference_t<decltype(*std::begin(std::declval<const R&>()))>>;

/// References stay what they are, anything else becomes an object.
template <class R>
using as_item = std::conditional_t<std::is_lvalue_reference_v<R>, R, std::remove_cvref_t<R>>;

/// What an item is given to a predicate as.
template <class T>
using looked_at = const std::remove_reference_t<T>&;

}  // namespace detail

}  // namespace bight
