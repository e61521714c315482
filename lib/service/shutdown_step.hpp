// bounded_step, uncancelled_step: run the tasks of a shutdown, with a time limit and without cancellation.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/error.hpp>

#include <string>
#include <string_view>

namespace bight::detail {

/// Runs a task for at most `limit`, even when the awaiting task is cancelled; reactor::stop_now ends it at
/// once. Gives whether it ended by itself. Its error is reported under `name`, which must outlive it.
class bounded_step final : public scope, public awaiter_base<bounded_step>, private grace_timer {
  public:
    bounded_step(task<>&& t, duration limit, std::string_view name) noexcept
        : child_(std::move(t)), limit_(limit), name_(name) {}

    bool await_resume() const noexcept { return child_.result() != outcome::cancelled; }

    void cancel() noexcept override {}
    void describe(std::string& out) const override {
        out += name_;
        append_time_left(out, *this, home().now());
    }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        visit(child_, context);
    }

  private:
    friend awaiter_base<bounded_step>;
    std::coroutine_handle<> suspend(promise_base& p) noexcept {
        begin_regardless(p);
        const auto first = child_.launch_now(*this, home(), owner());
        child_.forget_cancel();
        detail::reactor_access::arm_grace(home(), *this, limit_);
        return first;
    }
    std::coroutine_handle<> child_finished(job&) noexcept override {
        detail::reactor_access::disarm_grace(home(), *this);
        if (child_.result() == outcome::error) report_job_error(child_, child_.error(), name_);
        return conclude(false);
    }
    void expired() noexcept override { child_.request_cancel(); }

    child_job<void> child_;
    duration limit_;
    std::string_view name_;
};

/// Runs a task to its end even when the awaiting task is cancelled: for a sequence of steps of which each is
/// bounded.
class uncancelled_step final : public scope, public awaiter_base<uncancelled_step> {
  public:
    explicit uncancelled_step(task<>&& t) noexcept : child_(std::move(t)) {}

    void await_resume() { child_.take(); }

    void cancel() noexcept override {}
    void describe(std::string& out) const override { out += "a phase of a shutdown"; }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        visit(child_, context);
    }

  private:
    friend awaiter_base<uncancelled_step>;
    std::coroutine_handle<> suspend(promise_base& p) noexcept {
        begin_regardless(p);
        const auto first = child_.launch_now(*this, home(), owner());
        child_.forget_cancel();
        return first;
    }
    std::coroutine_handle<> child_finished(job&) noexcept override {
        owner().adopt_trace(child_);
        return conclude(false);
    }
    child_job<void> child_;
};

}  // namespace bight::detail
