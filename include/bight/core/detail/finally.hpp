// Implementation of bight/core/finally.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>

#include <chrono>
#include <coroutine>
#include <exception>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

/// Apart from the clean-up, whose type may be a lambda's, so that a debugger finds the tasks.
template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] finally_scope : public scope,
                                                                     public awaiter_base<finally_scope<T>>,
                                                                     private grace_timer {
  public:
    T await_resume() {
        if (cleanup_error_ && body_.result() == outcome::value) std::rethrow_exception(cleanup_error_);
        return body_.take();
    }

    void cancel() noexcept override {
        if (!cleaning_up_) body_.request_cancel();
    }
    void describe(std::string& out) const override {
        out += cleaning_up_ ? "the clean-up of finally" : "the body of finally";
        append_time_left(out, *this, home().now());
    }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        if (cleaning_up_) {
            visit(cleaning_, context);
        } else {
            visit(body_, context);
        }
    }

  protected:
    finally_scope(task<T>&& body, duration patience) : body_(std::move(body)), patience_(patience) {}
    finally_scope(finally_scope&&) noexcept = default;
    ~finally_scope() = default;
    virtual task<> make_cleanup() = 0;

  private:
    friend awaiter_base<finally_scope>;
    std::coroutine_handle<> suspend(promise_base& p) noexcept {
        begin_regardless(p);
        if (owner().cancel_requested()) return clean_up();  // the body would end at its first await
        return body_.launch_now(*this, home(), owner());
    }
    std::coroutine_handle<> clean_up() noexcept {
        cleaning_up_ = true;
        try {
            cleaning_.give(make_cleanup());
        } catch (...) {
            cleanup_error_ = std::current_exception();
            return done();
        }
        const auto first = cleaning_.launch_now(*this, home(), owner());
        cleaning_.forget_cancel();
        due_ = saturating_add(home().now(), patience_);
        detail::reactor_access::arm_grace(home(), *this, patience_);
        return first;
    }

    std::coroutine_handle<> child_finished(job&) noexcept override {
        if (!cleaning_up_) {
            owner().adopt_trace(body_);
            if (body_.result() == outcome::cancelled) return clean_up();
            free_later(body_);
            return std::noop_coroutine();
        }
        detail::reactor_access::disarm_grace(home(), *this);
        if (cleaning_.result() == outcome::error) cleanup_error_ = cleaning_.error();
        if (cleaning_.result() == outcome::cancelled) {
            cleanup_error_ = error_from(errc::timed_out, "the clean-up given to finally");
        }
        return done();
    }

    void child_freed() noexcept override { clean_up().resume(); }

    // Reports an error of the clean-up when the body's outcome is thrown instead.
    std::coroutine_handle<> done() noexcept {
        const bool cancelled = body_.result() == outcome::cancelled || body_.result() == outcome::pending;
        if (cleanup_error_ && !hurried_ && body_.result() != outcome::value) {
            report_job_error(cleaning_, cleanup_error_);
        }
        return conclude(cancelled);
    }

    void expired() noexcept override {
        hurried_ = home().now() < due_;  // by stop_now, which asked for it
        cleaning_.request_cancel();
    }

    child_job<T> body_;
    child_job<void> cleaning_;
    duration patience_;
    time_point due_{};
    std::exception_ptr cleanup_error_;
    bool cleaning_up_ = false;
    bool hurried_ = false;
};

template <class T, class F>
class [[nodiscard("co_await it"), gnu::warn_unused]] finally_awaiter final : public finally_scope<T> {
  public:
    finally_awaiter(task<T>&& body, F&& cleanup, duration patience)
        : finally_scope<T>(std::move(body), patience), cleanup_(std::move(cleanup)) {}

  private:
    task<> make_cleanup() override { return cleanup_(); }
    F cleanup_;
};

}  // namespace detail

}  // namespace bight
