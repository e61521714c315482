// offload: runs a blocking call on a thread pool and awaits its result.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/job_result.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>
#include <bight/thread/thread_pool.hpp>

#include <coroutine>
#include <exception>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Options of offload.
struct offload_options {
    /// The pool on which it runs; null: thread_pool::shared(), or the limiter's pool.
    thread_pool* pool = nullptr;
    /// Limits how many calls of one kind run at once; null: as many as the pool has threads.
    offload_limiter* limiter = nullptr;
    /// Whether a cancelled task leaves its running job behind instead of waiting for it (see offload).
    bool abandon_on_cancel = false;
};
static_assert(std::is_trivially_destructible_v<offload_options>);  // see reactor_options

namespace detail {

template <class T>
struct is_task : std::false_type {};
template <class T>
struct is_task<task<T>> : std::true_type {};

/// The callable is destroyed by the thread that ran it, before the task goes on; the result by the task.
template <class F>
class offloaded_call final : public pool_job {
  public:
    using result_type = std::invoke_result_t<F&>;

    template <class G>
    offloaded_call(G&& f, std::source_location where) : pool_job(where), callable_(std::forward<G>(f)) {}

    result_type take() {
        if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
        return result_.take();
    }

  private:
    void run() noexcept override {
        try {
            result_.from(*callable_);
        } catch (...) {
            error_ = std::current_exception();
        }
        callable_.reset();
    }
    void clear() noexcept override {
        callable_.reset();
        result_.clear();
        error_ = nullptr;
    }
    void fail(std::exception_ptr why) noexcept override {
        error_ = std::move(why);
        callable_.reset();
    }

    std::optional<F> callable_;
    job_result<result_type> result_;
    std::exception_ptr error_;
};

/// Waits for a job, whatever its type.
class offload_waiter : public waiter,
                       public awaiter_base<offload_waiter>,
                       private grace_timer,
                       private pool_job::listener {
  public:
    void cancel() noexcept override;
    void describe(std::string& out) const override;

  protected:
    offload_waiter(pool_job& job, const offload_options& options) noexcept : job_(&job), options_(options) {}
    offload_waiter(offload_waiter&& other) noexcept
        : waiter(std::move(other)),
          grace_timer(),
          job_(std::exchange(other.job_, nullptr)),
          options_(other.options_) {}
    ~offload_waiter() {
        if (job_) job_->release();
    }

    pool_job& job() const noexcept { return *job_; }
    void throw_if_refused() const {
        if (refused_) std::rethrow_exception(refused_);
    }

  private:
    friend awaiter_base<offload_waiter>;
    bool suspend(promise_base& p) noexcept;
    void job_ended() noexcept override;
    void expired() noexcept override;
    void stop_begins() noexcept override;
    bool reactor_stops() const noexcept;
    void be_patient(bool stopping) noexcept;
    void give_up() noexcept;

    pool_job* job_;
    offload_options options_;
    std::optional<outside_work> outside_;  // the virtual clock stands still meanwhile
    std::exception_ptr refused_;           // why the job could not be submitted
    time_point due_{};                     // when the patience of a cancelled task ends
    bool simulated_ = false;               // it runs here when the timer fires
};

template <class F>
class [[nodiscard("co_await it"), gnu::warn_unused]] offload_awaiter final : public offload_waiter {
  public:
    using result_type = typename offloaded_call<F>::result_type;

    offload_awaiter(offloaded_call<F>& call, const offload_options& options) noexcept
        : offload_waiter(call, options) {}
    offload_awaiter(offload_awaiter&&) noexcept = default;

    result_type await_resume() {
        throw_if_refused();
        return static_cast<offloaded_call<F>&>(job()).take();
    }
};

}  // namespace detail

/// Runs `f()` on a thread of a pool, while the reactor goes on, and gives its result or throws what it threw.
/// `f` is an ordinary function: it may block, and must not use objects of a reactor, such as streams and
/// tasks (it can talk to a reactor through reactor::post and concurrent_channel). `f` and its captures are
/// destroyed on that thread, before the task goes on. Nothing happens until the result of offload is awaited.
///
/// Throws std::system_error when no thread can be started, and errc::closed when the pool is destroyed first.
///
/// Cancellation: a job that has not begun is taken out of the queue, and never runs. A running job cannot be
/// stopped: the cancelled task waits for it, so that what the job refers to stays alive, gets the result, and
/// is cancelled at its next await. When the reactor stops, the task waits only until the pool's
/// `shutdown_deadline` has passed on the reactor's clock, and not at all after reactor::stop_now or in the
/// reactor's destructor; jobs that are left behind are reported in a warning with the lines where they were
/// offloaded. With `abandon_on_cancel` a cancelled task never waits: the job goes on by itself, and its
/// result is dropped and counted. In both cases what `f` captured by value lives until the job ends; what it
/// captured by reference must outlive it.
///
/// For a deadline, write `with_timeout(offload(f), limit)`. A virtual clock stands still while the job runs.
template <class F>
    requires std::is_invocable_v<std::decay_t<F>&>
auto offload(F&& f, const offload_options& options = {},
             std::source_location where = std::source_location::current()) {
    using call = detail::offloaded_call<std::decay_t<F>>;
    static_assert(!detail::is_task<typename call::result_type>::value,
                  "offload runs an ordinary function on a thread; a task runs on its reactor: await it, or "
                  "spawn it in a group");
    return detail::offload_awaiter<std::decay_t<F>>(*new call(std::forward<F>(f), where), options);
}

/// The same as `offload` with `abandon_on_cancel`: cancelling the task leaves the running job behind. `f`
/// must own everything that it uses.
template <class F>
    requires std::is_invocable_v<std::decay_t<F>&>
auto offload_abandonable(F&& f, offload_options options = {},
                         std::source_location where = std::source_location::current()) {
    options.abandon_on_cancel = true;
    return offload(std::forward<F>(f), options, where);
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto offload(detail::anything = {}, detail::anything = {}, detail::anything = {}, detail::anything = {}) {
    static_assert(
        fits,
        "offload(f, options) calls f without arguments, on another thread: f is the function or the "
        "lambda, not its result, and captures its arguments: offload([=] { return compute(x); })");
    return detail::refused_operation();
}
template <class Here = decltype([] {}), bool fits = false>
auto offload_abandonable(detail::anything = {}, detail::anything = {}, detail::anything = {},
                         detail::anything = {}) {
    static_assert(fits,
                  "offload_abandonable(f, options) calls f without arguments, on another thread: f is the "
                  "function or the lambda, not its result, and captures its arguments by value: "
                  "offload_abandonable([=] { return compute(x); })");
    return detail::refused_operation();
}

}  // namespace bight
