// retry: repeats an operation until it succeeds, with exponential back-off.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

/// How the pause before an attempt is randomised, so that clients that failed together do not retry together
/// (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
enum class jitter : std::uint8_t {
    none,   ///< the whole back-off
    equal,  ///< half of it, and a random part of the other half
    full,   ///< anything from nothing to the whole of it
};

/// One attempt, as it is passed to a callable that takes it.
struct retry_attempt {
    unsigned number = 1;   ///< counted from 1
    duration elapsed{};    ///< since the first attempt began
    duration remaining{};  ///< until the deadline; duration::max() without one
};

/// The attempts so far. Given to retry in retry_policy::history; may be read at any time.
class retry_history {
  public:
    /// How many errors are kept.
    static constexpr std::size_t capacity = 32;

    /// The number of attempts begun.
    unsigned attempts() const noexcept { return attempts_; }
    /// The errors of the attempts that failed, in order; only the latest `capacity` of them.
    std::span<const std::exception_ptr> errors() const noexcept { return errors_; }
    /// Total time of the pauses that were not cut short.
    duration waited() const noexcept { return waited_; }

    // For retry.
    void clear() noexcept;
    void begin_attempt() noexcept { ++attempts_; }
    void failed(const std::exception_ptr& error);
    void waited_for(duration d) noexcept { waited_ += d; }

  private:
    unsigned attempts_ = 0;
    duration waited_{};
    std::vector<std::exception_ptr> errors_;
};

/// How often an operation is tried, with which pauses, and for how long.
struct retry_policy {
    /// How many attempts at most; 0: any number.
    unsigned max_attempts = 5;
    /// The back-off after the first attempt; zero or more.
    duration first_delay = std::chrono::milliseconds(100);
    /// The factor by which it grows after each further attempt; 1 or more.
    double factor = 2;
    /// The longest back-off; zero or more.
    duration max_delay = std::chrono::seconds(30);
    jitter spread = jitter::full;
    /// A limit for everything together, counted from the first attempt: an attempt that still runs then is
    /// cancelled and counts as failed with errc::timed_out, a pause that would last until then or longer is
    /// not begun, and no attempt begins later.
    duration deadline = duration::max();
    /// Decides whether to try again after an error; null: after every error. It must not throw. For a
    /// predicate with captures see retry.
    bool (*retry_if)(const std::exception_ptr& error) = nullptr;
    /// Gives 64 random bits, for jitter; null: bight::random.
    std::uint64_t (*random)(void* context) = nullptr;
    void* random_context = nullptr;
    /// If not null, it is cleared, then kept up to date. It must outlive the call.
    retry_history* history = nullptr;
};
static_assert(std::is_trivially_destructible_v<retry_policy>);  // see reactor_options

namespace detail {

/// Carries out a policy: counts attempts and computes pauses.
class retry_state {
  public:
    /// Throws std::invalid_argument.
    explicit retry_state(const retry_policy& policy);

    void begin(time_point now) noexcept;
    retry_attempt next_attempt(time_point now);
    bool has_deadline() const noexcept { return policy_.deadline != duration::max(); }
    bool worth_another(const std::exception_ptr& error) const {
        return !policy_.retry_if || policy_.retry_if(error);
    }
    /// Records the error. Returns the pause before the next attempt, or less than zero when there is none.
    duration pause_after(const std::exception_ptr& error, time_point now);
    /// Whether the deadline has passed, so that no further attempt begins.
    bool is_over(time_point now) const noexcept;
    void slept(duration d) noexcept {
        if (policy_.history) policy_.history->waited_for(d);
    }

  private:
    std::uint64_t random() const;
    duration draw(duration whole) const;

    retry_policy policy_;
    time_point start_{};
    time_point end_{};
    duration backoff_{};
    unsigned attempts_ = 0;
};

struct any_error {
    bool operator()(const std::exception_ptr&) const noexcept { return true; }
};

template <class F>
    requires std::is_invocable_v<F&, const retry_attempt&> || std::is_invocable_v<F&>
auto call_attempt(F& f, const retry_attempt& attempt) {
    if constexpr (std::is_invocable_v<F&, const retry_attempt&>) {
        return std::invoke(f, attempt);
    } else {
        return std::invoke(f);
    }
}
template <class F>
using attempt_value =
    awaited_type<decltype(call_attempt(std::declval<F&>(), std::declval<const retry_attempt&>()))>;

template <class F, class P>
task<attempt_value<F>> run_retry(retry_state state, F f, P retry_if) {
    reactor& home = *reactor::current();
    state.begin(home.now());
    for (;;) {
        const retry_attempt attempt = state.next_attempt(home.now());
        std::exception_ptr error;
        try {
            auto made = call_attempt(f, attempt);
            if (!state.has_deadline()) co_return co_await std::move(made);
            co_return co_await with_timeout(std::move(made), attempt.remaining);
        } catch (...) {
            error = std::current_exception();
        }
        const duration pause = state.pause_after(error, home.now());
        if (pause < duration::zero() || !state.worth_another(error) || !retry_if(std::as_const(error))) {
            std::rethrow_exception(error);
        }
        co_await sleep_for(pause);
        state.slept(pause);
        if (state.is_over(home.now())) std::rethrow_exception(error);  // the sleep was a long one
    }
}

}  // namespace detail

/// Awaits `f()`, or `f(retry_attempt)`, which gives a task or another awaitable of bight; when that throws,
/// pauses and tries again, as `policy` says. Gives the value of the first attempt that succeeds. When the
/// attempts are used up, the error of the last one is thrown as it is; earlier ones are in
/// retry_policy::history.
///
///     retry_policy policy{.max_attempts = 8, .deadline = 1min};
///     auto peer = co_await bight::retry(policy, [&] { return bight::connect(endpoint); });
///
/// The pauses are the back-off (first_delay, growing by factor up to max_delay) with jitter. Cancelling ends
/// an attempt or a pause like any await; a cancelled attempt is no failure, and is not repeated. `f` is
/// stored until the end, so that it may capture. Throws std::invalid_argument for a policy that makes no
/// sense, before anything is called.
template <class F>
task<detail::attempt_value<F>> retry(const retry_policy& policy, F f) {
    return detail::run_retry(detail::retry_state(policy), std::move(f), detail::any_error{});
}

/// The same with a predicate that may capture: tries again only if `retry_if(const std::exception_ptr&)`
/// returns true (and policy.retry_if too, when set). What it throws is thrown in place of the error.
template <class F, class P>
    requires std::is_invocable_r_v<bool, P&, const std::exception_ptr&>
task<detail::attempt_value<F>> retry(const retry_policy& policy, F f, P retry_if) {
    return detail::run_retry(detail::retry_state(policy), std::move(f), std::move(retry_if));
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto retry(detail::anything = {}, detail::anything = {}, detail::anything = {}) {
    static_assert(
        fits,
        "retry(policy, f) or retry(policy, f, retry_if) takes a retry_policy, a function that gives "
        "a task each time that it is called, without arguments or with a retry_attempt, and a "
        "predicate of the error, bool(const std::exception_ptr&): "
        "retry(policy, [&] { return bight::connect(where); })");
    return detail::refused_operation();
}

}  // namespace bight
