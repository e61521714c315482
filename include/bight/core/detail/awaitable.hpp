// bight_awaitable: what a task of bight accepts in co_await.
#pragma once

#include <bight/core/export.hpp>

#include <type_traits>

namespace BIGHT_EXPORT bight {
namespace detail {

template <class A>
concept bight_awaitable = requires { typename std::remove_cvref_t<A>::bight_awaitable; };

}  // namespace detail
}  // namespace bight
