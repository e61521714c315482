// Implementation of bight/core/shield.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>

#include <chrono>
#include <coroutine>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] shield_awaiter final
    : public scope,
      public awaiter_base<shield_awaiter<T>>,
      private grace_timer {
  public:
    shield_awaiter(task<T>&& t, duration patience) noexcept : child_(std::move(t)), patience_(patience) {}

    T await_resume() { return child_.take(); }

    void cancel() noexcept override { detail::reactor_access::arm_grace(home(), *this, patience_); }
    void describe(std::string& out) const override {
        out += "a shielded task";
        append_time_left(out, *this, home().now());
    }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        visit(child_, context);
    }

  private:
    friend awaiter_base<shield_awaiter>;
    std::coroutine_handle<> suspend(promise_base& p) noexcept {
        begin_regardless(p);
        const auto first = child_.launch_now(*this, home(), owner());
        child_.forget_cancel();
        if (owner().cancel_requested()) cancel();
        return first;
    }
    std::coroutine_handle<> child_finished(job&) noexcept override {
        detail::reactor_access::disarm_grace(home(), *this);
        owner().adopt_trace(child_);
        return conclude(child_.result() == outcome::cancelled);
    }
    void expired() noexcept override { child_.request_cancel(); }

    child_job<T> child_;
    duration patience_;
};

}  // namespace detail

}  // namespace bight
