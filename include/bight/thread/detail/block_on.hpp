// Implementation of bight/thread/block_on.hpp.
#pragma once

#include <bight/core/detail/blocked_thread.hpp>
#include <bight/core/detail/job.hpp>
#include <bight/core/detail/job_result.hpp>
#include <bight/core/detail/kept_task.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>
#include <bight/thread/detail/parker.hpp>
#include <bight/thread/detail/remote_call.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

/// A job that lives on the stack of the thread that waits for it.
class blocked_call : public job, public blocked_thread, private remote_call {
  public:
    void describe(std::string& out) const override { out += "a task given to block_on()"; }

  protected:
    blocked_call() : parker_(parker::of_this_thread()) {}
    ~blocked_call() = default;

    /// Posts the job to `home` and sleeps until it has ended. Throws when it cannot run or was cancelled.
    void run_on(reactor& home);

    /// Called on the reactor's thread. Makes the task; null when there is nothing to await.
    virtual promise_base* begin() = 0;
    /// Called on the reactor's thread when the task has ended with a value or an error.
    virtual void settle() = 0;

  private:
    void arrived() noexcept override;
    void released(bool arrived) noexcept override;
    std::coroutine_handle<> finished() noexcept override;
    void reap() noexcept override;
    void cancel_begun() noexcept override;
    void abandon() noexcept override;
    void let_go() noexcept;

    parker& parker_;
    reactor* reactor_ = nullptr;
    std::exception_ptr error_;
    bool over_ = false;     // nothing more to run
    bool started_ = false;  // it is one of the reactor's roots
};

/// The task's frame was allocated on this thread, and is freed on it.
template <class T>
class blocked_task final : public blocked_call {
  public:
    explicit blocked_task(task<T>&& t) : task_(std::move(t)) {
        if (!task_) misused_task();
    }
    T result_from(reactor& home) {
        run_on(home);
        return task_.take();
    }

  private:
    promise_base* begin() override { return &task_.become_root(*this); }
    void settle() override {}
    kept_task<T> task_;
};

/// Calls `f` on the reactor's thread.
template <class F, class R = std::invoke_result_t<F&>>
class blocked_function final : public blocked_call {
  public:
    explicit blocked_function(F& f) : callable_(f) {}
    R result_from(reactor& home) {
        run_on(home);
        return result_.take();
    }

  private:
    promise_base* begin() override {
        result_.from(callable_);
        return nullptr;
    }
    void settle() override {}
    F& callable_;
    job_result<R> result_;
};

template <class F, class T>
class blocked_function<F, task<T>> final : public blocked_call {
  public:
    explicit blocked_function(F& f) : callable_(f) {}
    T result_from(reactor& home) {
        run_on(home);
        return task_.take();
    }

  private:
    promise_base* begin() override {
        task_ = std::invoke(callable_);
        if (!task_) misused_task();
        return &task_.become_root(*this);
    }
    void settle() override { task_.free_frame(); }
    F& callable_;
    kept_task<T> task_;
};

}  // namespace detail

}  // namespace bight
