// Implementation of bight/thread/block_on.hpp.
#pragma once

#include <bight/core/detail/job_result.hpp>
#include <bight/core/detail/kept_task.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>
#include <bight/thread/detail/call_ticket.hpp>
#include <bight/thread/detail/distant_call.hpp>
#include <bight/thread/detail/parker.hpp>

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

/// The call of a thread that is blocked until it has ended.
class blocked_call : public distant_call {
  public:
    void describe(std::string& out) const override { out += "a task given to block_on()"; }

  protected:
    blocked_call()
        : distant_call("block_on: the reactor stopped before this could run"),
          parker_(parker::of_this_thread()) {}
    ~blocked_call() = default;

    /// Posts the job to `home` and sleeps until it has ended. Throws when it cannot run or was cancelled.
    void run_on(reactor& home);

  private:
    void answered() noexcept override { parker_.unpark(); }

    parker& parker_;
    call_ticket ticket_;  // never given up: the thread is blocked until the answer
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
