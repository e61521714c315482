// task_local<T>: a value that a task and all that it starts can see.
#pragma once

#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

/// The value that the running task sees for `key`: the innermost binding from there to the root, or null.
const void* find_task_local(const void* key) noexcept;

/// A child with a binding of its own.
template <class T, class V>
class binding_job final : public child_job_base<T> {
  public:
    binding_job(task<T>&& t, const void* key, V&& value)
        : child_job_base<T>(std::move(t)), key_(key), value_(std::move(value)) {}
    binding_job(binding_job&&) = default;

  private:
    const void* find_local(const void* key) const noexcept override {
        return key == key_ ? &value_ : nullptr;
    }
    const void* key_;
    V value_;
};

template <class T, class V>
class [[nodiscard("co_await it"), gnu::warn_unused]] binding_awaiter final : public scope {
  public:
    binding_awaiter(task<T>&& t, const void* key, V&& value) : child_(std::move(t), key, std::move(value)) {}

    bool await_ready() const noexcept { return false; }
    template <class P>
    BIGHT_AWAIT_SUSPEND std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) noexcept {
        if (!begin(h.promise())) return std::noop_coroutine();
        return child_.launch_now(*this, home(), owner());
    }
    T await_resume() { return child_.take(); }

    void cancel() noexcept override { child_.request_cancel(); }
    void describe(std::string& out) const override { out += "a task with a value of its own"; }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        visit(child_, context);
    }

  private:
    std::coroutine_handle<> child_finished(job&) noexcept override {
        owner().adopt_trace(child_);
        return conclude(child_.result() == outcome::cancelled);
    }
    binding_job<T, V> child_;
};

}  // namespace detail

/// A variable with a value for each task: a request's number for its log lines, say. A value is bound for the
/// duration of an await, and seen by what is awaited and by every task started within it, in groups and
/// servers too; what was bound outside is seen again afterwards. Functions called by a task need no
/// co_await to read it.
///
///     bight::task_local<int> request_number{0};
///     co_await request_number.bind(17, handle(request));     // within: *request_number == 17
///
/// Looking up costs a step for each scope between the task and the binding; a task that binds nothing pays
/// nothing. The variable outlives its bindings; make it a global or a static one. Thread: any, each sees its
/// own reactor's tasks; outside of tasks the default is seen.
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

  private:
    T default_;
};

}  // namespace bight
