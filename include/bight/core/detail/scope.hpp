// scope: the common base of the awaiters that run child tasks.
#pragma once

#include <bight/core/detail/job.hpp>
#include <bight/core/detail/kept_task.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/error.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>

#include <coroutine>
#include <exception>
#include <type_traits>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Suspends its task until its child jobs have ended: they never outlive it. Cancelling it cancels them; it
/// confirms when the last of them has ended. Like every awaiter it may be moved until it is awaited.
class scope : public waiter {
  public:
    /// `child` has ended; its outcome is in child.result(). Returns the coroutine to resume next. Called from
    /// the child's last suspension or from the ready queue: the child's frame must not be destroyed in here.
    virtual std::coroutine_handle<> child_finished(job& child) noexcept = 0;
    /// The frame of a child that was passed to free_later() has been freed. The scope may be destroyed in
    /// here.
    virtual void child_freed() noexcept {}

  protected:
    scope() noexcept = default;
    scope(scope&&) noexcept = default;
    ~scope() = default;
    /// All children have ended. The task goes on, unless its cancellation was requested and a child was
    /// cancelled.
    std::coroutine_handle<> conclude(bool child_cancelled) noexcept;
    /// The same from outside a coroutine: resumes the next coroutine itself.
    void conclude_here(bool child_cancelled) noexcept { conclude(child_cancelled).resume(); }
    /// For a scope that goes on after `child` has ended: frees the child's frame, and all that it holds, in
    /// the next turn rather than with the scope. Then child_freed() is called; the scope must not end before
    /// that.
    void free_later(job& child) noexcept { detail::reactor_access::schedule(home(), child); }
};

/// A child job. Its result stays in the scope until the scope's task takes it.
template <class T>
class child_job_base : public job {
  public:
    explicit child_job_base(task<T>&& t) noexcept : task_(std::move(t)) {}
    child_job_base() noexcept = default;
    child_job_base(child_job_base&&) noexcept = default;

    void give(task<T>&& t) noexcept { task_ = std::move(t); }
    void launch(scope& owner, reactor& home, job& parent) noexcept {
        start(home, &parent, prepare(owner, parent));
    }
    std::coroutine_handle<> launch_now(scope& owner, reactor& home, job& parent) noexcept {
        return start_now(home, &parent, prepare(owner, parent));
    }

    T take() { return task_.take(); }
    std::exception_ptr error() const noexcept { return task_.error(); }

  protected:
    ~child_job_base() = default;

  private:
    promise_base& prepare(scope& owner, job& parent) noexcept {
        if (!task_) misused_task(parent.innermost()->where());
        owner_ = &owner;
        return task_.become_root(*this);
    }
    std::coroutine_handle<> finished() noexcept override { return owner_->child_finished(*this); }
    void reap() noexcept override {
        task_.free_frame();
        owner_->child_freed();
    }

    kept_task<T> task_;
    scope* owner_ = nullptr;
};

template <class T>
class child_job final : public child_job_base<T> {
  public:
    using child_job_base<T>::child_job_base;
};

/// Throws a single error as it is, several as an aggregate_error; does nothing when there is none.
void throw_errors(const std::vector<std::exception_ptr>& errors);

/// The errors of the children of a scope, the earliest first. The first one needs no memory, so that a
/// failure is never taken for a success when memory is exhausted.
class error_list {
  public:
    bool empty() const noexcept { return !first_; }
    /// False when memory is exhausted and `error` is not the first.
    bool add(const std::exception_ptr& error) noexcept;
    /// As throw_errors.
    void throw_all() const;

  private:
    std::exception_ptr first_;
    std::vector<std::exception_ptr> others_;
};

/// Makes a task that awaits something which is not a task.
template <class A>
auto await_as_task(A awaited) -> task<decltype(awaited.await_resume())> {
    co_return co_await std::move(awaited);
}

template <class T>
task<T> to_task(task<T> t) noexcept {
    return t;
}
template <class A>
    requires requires(A& a) { a.await_resume(); }
auto to_task(A awaited) {
    return await_as_task(std::move(awaited));
}

/// For something that several tasks may await (a deferred): the task gives a copy of the value.
template <class A>
    requires requires(const A& a) {
        a.operator co_await();
        typename A::value_type;
    }
auto to_task(A awaited) -> task<typename A::value_type> {
    co_return co_await awaited;
}

template <class A>
using awaited_type = typename decltype(to_task(std::declval<A>()))::value_type;

}  // namespace detail
}  // namespace bight
