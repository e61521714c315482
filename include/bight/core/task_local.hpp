// task_local<T>: task-local variables, inherited by child tasks.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/detail/task_local.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>
#include <utility>

namespace BIGHT_EXPORT bight {

/// A variable with a value for each task: the number of a request for its log lines, say. A value is bound
/// for the duration of an await; the awaited task and every task started within it see it, in groups and
/// servers too. Afterwards the outer binding is visible again. Functions called by a task can read it without
/// co_await.
///
///     bight::task_local<int> request_number{0};
///     co_await request_number.bind(17, handle(request));     // within: *request_number == 17
///
/// Looking up costs a step for each scope between the task and the binding; a task that binds nothing pays
/// nothing. The variable outlives its bindings; make it a global or a static one. Thread: any; each sees the
/// bindings of its own reactor's tasks, and outside of tasks the default.
template <class T>
class task_local {
  public:
    task_local()
        requires std::is_default_constructible_v<T>
        : default_() {}
    explicit task_local(T default_value) : default_(std::move(default_value)) {}
    task_local(const task_local&) = delete;
    task_local& operator=(const task_local&) = delete;

    /// The innermost bound value, or the default. Valid while the binding lasts.
    const T& get() const noexcept {
        const void* found = detail::find_task_local(this);
        return found ? *static_cast<const T*>(found) : default_;
    }
    const T& operator*() const noexcept { return get(); }
    const T* operator->() const noexcept { return &get(); }
    /// Whether a value is bound.
    bool is_bound() const noexcept { return detail::find_task_local(this) != nullptr; }

    /// Awaits `awaited` (a task, or any operation) with `value` bound, and gives its result. Cancellation and
    /// errors pass through.
    template <class A>
    detail::binding_awaiter<detail::awaited_type<A>, T> bind(T value, A awaited) const {
        return {detail::to_task(std::move(awaited)), this, std::move(value)};
    }
    // What no other overload takes.
    template <bool fits = false>
    auto bind(detail::anything = {}, detail::anything = {}) const {
        static_assert(fits,
                      "bind(value, awaited) takes the value, then a task or another operation: "
                      "bind(17, work()); a function or a lambda is called first, work() for work");
        return detail::refused_operation();
    }

  private:
    T default_;
};

}  // namespace bight
