// How an awaiter begins.
#pragma once

#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/promise.hpp>
#include <bight/core/export.hpp>

#include <coroutine>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The beginning of every await of a waiter: it always passes through
///
///     bool suspend(promise_base& p) noexcept;
///
/// of `Self`, which makes this a friend. It is written as waiter says, and gives what await_suspend is to
/// give: false when the task need not wait, or, in a scope that goes on with a child at once, that child's
/// coroutine.
template <class Self>
class awaiter_base {
  public:
    bool await_ready() const noexcept { return false; }
    template <class P>
    BIGHT_AWAIT_SUSPEND auto await_suspend(std::coroutine_handle<P> h) noexcept(
        noexcept(std::declval<Self&>().suspend(std::declval<promise_base&>()))) {
        return static_cast<Self&>(*this).suspend(h.promise());
    }

  protected:
    awaiter_base() noexcept = default;
    ~awaiter_base() = default;
};

}  // namespace detail
}  // namespace bight
