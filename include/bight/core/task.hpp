// task<T>: a lazy coroutine, which starts when it is awaited.
#pragma once

#include <bight/core/detail/borrowed_arguments.hpp>  // which promise a coroutine has; IWYU pragma: keep
#include <bight/core/detail/task.hpp>
#include <bight/core/detail/task_promise.hpp>
#include <bight/core/export.hpp>

#include <coroutine>
#include <source_location>
#include <utility>

namespace BIGHT_EXPORT bight {

/// A coroutine that has not started. Write `task<T>` as the return type of a function that uses co_await.
///
/// Lazy: it runs when it is awaited, or when a scope (group, when_all, run, …) starts it. Move-only, and
/// awaited once: `co_await f()` or `co_await std::move(t)`. Dropping one that was never awaited frees its
/// frame without running any of it. T may be void, a reference, or a type that only moves.
///
/// co_await gives the value, or throws the exception that left the coroutine; it throws a std::logic_error
/// that names the coroutine when that ran off its end without a co_return. When the task that awaits is
/// cancelled, this one unwinds first. Awaiting and finishing are symmetric transfers: a chain of any depth
/// and a loop of any length need only bounded stack. Thread: a started task stays on its reactor's thread.
template <class T = void>
class BIGHT_AWAIT_ELIDABLE
    [[nodiscard("a task does nothing until it is awaited: co_await it, or give it to a scope"),
      gnu::warn_unused]] task {
  public:
    using promise_type = detail::task_promise<T>;
    using value_type = T;
    using bight_awaitable = void;

    task(const task&) = delete;  // a task is given up where it is awaited or started: std::move(t)
    task(task&& other) noexcept : frame_(std::move(other.frame_)) {
        if (frame_) frame_.promise().pass_on_borrowed();
    }
    task& operator=(task&& other) noexcept {
        frame_ = std::move(other.frame_);
        if (frame_) frame_.promise().pass_on_borrowed();
        return *this;
    }

    detail::task_awaiter<T> operator co_await() && noexcept {
        return detail::task_awaiter<T>{std::move(frame_)};
    }
    /// A task is awaited once: write `co_await std::move(t)`.
    detail::task_awaiter<T> operator co_await() const& = delete;

    explicit operator bool() const = delete;  // it has no result yet: if (auto x = co_await work())

    /// For scopes that start it after the full expression that made it; see promise_base::refuse_borrowed.
    void refuse_borrowed(const char* scope, std::source_location where) const noexcept {
        if (frame_) frame_.promise().refuse_borrowed(scope, where);
    }
    /// For scopes: takes the frame out.
    detail::task_handle<T> release() && noexcept { return std::move(frame_); }

  private:
    friend promise_type;
    explicit task(promise_type& p) noexcept : frame_(p) {}
    detail::task_handle<T> frame_;
};

namespace detail {

template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
    return task<T>{*this};
}
template <class T>
task<T&> task_promise<T&>::get_return_object() noexcept {
    return task<T&>{*this};
}
inline task<void> task_promise<void>::get_return_object() noexcept { return task<void>{*this}; }

}  // namespace detail
}  // namespace bight
