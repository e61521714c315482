// Implementation of bight/core/timeout.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

#include <coroutine>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

[[noreturn]] inline void throw_timed_out() { throw std::system_error(errc::timed_out); }

template <class T>
class timeout_scope : public scope, public awaiter_base<timeout_scope<T>>, private timer {
  public:
    timeout_scope(timeout_scope&&) noexcept = default;
    timeout_scope(task<T>&& t, duration limit) noexcept : child_(std::move(t)), limit_(limit) {}

    void cancel() noexcept override { child_.request_cancel(); }
    void describe(std::string& out) const override {
        out += "a task with a time-out";
        append_time_left(out, *this, home().now());
    }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        visit(child_, context);
    }

  protected:
    ~timeout_scope() = default;
    /// True when the deadline won.
    bool timed_out() const noexcept { return child_.result() == outcome::cancelled; }
    [[noreturn]] static void throw_timed_out() { detail::throw_timed_out(); }
    T take() { return child_.take(); }

  private:
    friend awaiter_base<timeout_scope>;
    std::coroutine_handle<> suspend(promise_base& p) noexcept {
        if (!begin(p)) return std::noop_coroutine();
        detail::reactor_access::arm(home(), *this, saturating_add(home().now(), limit_));
        return child_.launch_now(*this, home(), owner());
    }
    std::coroutine_handle<> child_finished(job&) noexcept override {
        detail::reactor_access::disarm(home(), *this);
        owner().adopt_trace(child_);
        return conclude(timed_out());
    }
    void expired() noexcept override { child_.request_cancel(); }

    child_job<T> child_;
    duration limit_;
};

/// Of a scope with a time limit: throws when the deadline has won.
template <class T, class Scope = timeout_scope<T>>
class [[nodiscard("co_await it"), gnu::warn_unused]] timeout_awaiter final : public Scope {
  public:
    using Scope::Scope;
    T await_resume() {
        if (this->timed_out()) this->throw_timed_out();
        return this->take();
    }
};

/// Gives nothing when the deadline has won.
template <class T, class Scope = timeout_scope<T>>
class [[nodiscard("co_await it"), gnu::warn_unused]] optional_timeout_awaiter final : public Scope {
  public:
    using Scope::Scope;
    auto await_resume() {
        if constexpr (std::is_void_v<T>) {
            if (this->timed_out()) return false;
            this->take();
            return true;
        } else if constexpr (std::is_reference_v<T>) {
            return this->timed_out() ? nullptr : std::addressof(this->take());
        } else {
            if (this->timed_out()) return std::optional<T>{};
            return std::optional<T>{this->take()};
        }
    }
};

}  // namespace detail

}  // namespace bight
