// lazy_timeout_scope: a time limit whose deadline moves while the task runs.
#pragma once

#include <bight/core/detail/lazy_timer.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>

#include <coroutine>
#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Runs a task, and cancels it when its timer is overdue.
template <class T>
class lazy_timeout_scope : public scope, public lazy_timer {
  public:
    void cancel() noexcept override { child_.request_cancel(); }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        visit(child_, context);
    }

  protected:
    explicit lazy_timeout_scope(task<T>&& t) noexcept : child_(std::move(t)) {}
    lazy_timeout_scope(lazy_timeout_scope&&) noexcept = default;
    ~lazy_timeout_scope() = default;

    std::coroutine_handle<> launch(time_point due) noexcept {
        start(home(), due);
        return child_.launch_now(*this, home(), owner());
    }
    /// The task has ended, and so has the timer.
    virtual void over() noexcept = 0;
    void overdue() noexcept override { child_.request_cancel(); }

    /// True when the deadline won.
    bool timed_out() const noexcept { return child_.result() == outcome::cancelled; }
    T take() { return child_.take(); }

  private:
    std::coroutine_handle<> child_finished(job&) noexcept override {
        stop();
        over();
        owner().adopt_trace(child_);
        return conclude(timed_out());
    }

    child_job<T> child_;
};

}  // namespace detail
}  // namespace bight
