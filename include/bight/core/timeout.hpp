// with_timeout: a bound on how long a task may take.
#pragma once

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

template <class T>
class timeout_scope : public scope, private timer {
  public:
    timeout_scope(timeout_scope&&) noexcept = default;
    timeout_scope(task<T>&& t, duration limit) noexcept : child_(std::move(t)), limit_(limit) {}

    bool await_ready() const noexcept { return false; }
    template <class P>
    BIGHT_AWAIT_SUSPEND std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) noexcept {
        if (!begin(h.promise())) return std::noop_coroutine();
        home().arm(*this, saturating_add(home().now(), limit_));
        return child_.launch_now(*this, home(), owner());
    }

    void cancel() noexcept override { child_.request_cancel(); }
    void describe(std::string& out) const override { out += "a task with a time-out"; }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        visit(child_, context);
    }

  protected:
    ~timeout_scope() = default;
    /// True when the deadline won.
    bool timed_out() const noexcept { return child_.result() == outcome::cancelled; }
    T take() { return child_.take(); }

  private:
    std::coroutine_handle<> child_finished(job&) noexcept override {
        home().disarm(*this);
        owner().adopt_trace(child_);
        return conclude(timed_out());
    }
    void expired() noexcept override { child_.request_cancel(); }

    child_job<T> child_;
    duration limit_;
};

[[noreturn]] inline void throw_timed_out() { throw std::system_error(errc::timed_out); }

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] timeout_awaiter final : public timeout_scope<T> {
  public:
    using timeout_scope<T>::timeout_scope;
    T await_resume() {
        if (this->timed_out()) throw_timed_out();
        return this->take();
    }
};

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] optional_timeout_awaiter final : public timeout_scope<T> {
  public:
    using timeout_scope<T>::timeout_scope;
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

/// Runs `awaited` (a task, or any operation) for at most `limit`. When the deadline comes first it is
/// cancelled, and once it has unwound, std::system_error with errc::timed_out is thrown. A result that is
/// there at the deadline wins. A cancellation of the whole is passed on.
template <class A>
detail::timeout_awaiter<detail::awaited_type<A>> with_timeout(
    A awaited, duration limit) noexcept(noexcept(detail::to_task(std::move(awaited)))) {
    return {detail::to_task(std::move(awaited)), limit};
}

/// The same, with std::nullopt instead of an exception when the deadline wins; for a task<void> it gives a
/// bool, false then, and for a task<T&> a pointer, null then.
template <class A>
detail::optional_timeout_awaiter<detail::awaited_type<A>> try_with_timeout(
    A awaited, duration limit) noexcept(noexcept(detail::to_task(std::move(awaited)))) {
    return {detail::to_task(std::move(awaited)), limit};
}

}  // namespace bight
