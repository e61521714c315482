// awaiter_base: the await_ready and await_suspend of every waiter.
#pragma once

#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/promise.hpp>
#include <bight/core/export.hpp>

#include <coroutine>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Begins every await of a waiter by calling
///
///     bool suspend(promise_base& p) noexcept;
///
/// of `Self`, which makes this class a friend. `suspend` is described at waiter. It gives what await_suspend
/// is to return: false when the task need not wait, or the coroutine of a child that a scope resumes at once.
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
