// interval: a periodic timer.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>
#include <cstdint>
#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {

/// What happens to ticks that came due while no task waited for them.
enum class missed_ticks : std::uint8_t {
    burst,  ///< each is given, one right after the other, until the schedule has caught up
    skip,   ///< left out: after a late tick comes the next one of the schedule in the future
    delay,  ///< the schedule begins anew: after a late tick comes the next one a full period later
};

enum class first_tick : std::uint8_t {
    at_once,        ///< when tick() is first awaited
    after_a_period  ///< one period after that
};

struct interval_tick {
    /// When it was due: now or earlier.
    time_point scheduled{};
    /// How many more ticks of the schedule are due by now: with `burst` they come next, otherwise they are
    /// left out.
    std::uint64_t missed = 0;
};

class interval;

namespace detail {

class [[nodiscard("co_await it"), gnu::warn_unused]] tick_awaiter final : public waiter, private timer {
  public:
    explicit tick_awaiter(interval& on) noexcept : on_(&on) {}
    tick_awaiter(tick_awaiter&& other) noexcept : waiter(std::move(other)), timer(), on_(other.on_) {}

    bool await_ready() const;
    template <class P>
    BIGHT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<P> h) noexcept {
        return begin(h.promise()) ? wait() : true;
    }
    interval_tick await_resume() const;

    void cancel() noexcept override;
    void describe(std::string& out) const override {
        out += "a tick";
        append_time_left(out, *this, home().now());
    }

  private:
    friend class bight::interval;
    bool wait() noexcept;
    void expired() noexcept override;
    interval* on_;  // null when the interval was destroyed first
    interval_tick tick_;
};

}  // namespace detail

/// Periodic ticks on the reactor's clock.
///
///     bight::interval every(10s);
///     for (;;) {
///         const auto tick = co_await every.tick();
///         …
///     }
///
/// The schedule begins when tick() is first awaited, or at the `start` given to the constructor, and ticks
/// are due one period apart. With `burst` and `skip` it never drifts, however late ticks are taken. With
/// `delay` the time between two ticks is never less than a period.
///
/// Cancelling a task that waits in tick() loses no tick: the next task that waits gets it. Thread: the
/// reactor's.
class interval {
  public:
    /// Throws std::invalid_argument unless `period` is greater than zero.
    explicit interval(duration period, missed_ticks policy = missed_ticks::burst,
                      first_tick first = first_tick::at_once);
    /// The first tick is due at `start`, which may have passed (a time before the clock's epoch counts as the
    /// epoch).
    interval(time_point start, duration period, missed_ticks policy = missed_ticks::burst);
    // What no other constructor takes.
    template <class Here = decltype([] {}), bool fits = false>
    explicit interval(detail::anything) {
        static_assert(
            fits,
            "interval(period) takes a length of time with its unit: 5s, 500ms, std::chrono::seconds(n), "
            "after using namespace std::chrono_literals");
    }
    interval(const interval&) = delete;
    interval& operator=(const interval&) = delete;
    /// A task that still waits in tick() gets std::system_error with errc::closed.
    ~interval();

    /// `co_await tick()` waits for the next tick. A tick that is due already takes no time, but counts
    /// against the task's budget. One task at a time: a second gets std::system_error with errc::busy.
    detail::tick_awaiter tick() noexcept { return detail::tick_awaiter{*this}; }

    /// Restarts the schedule: the next tick is due one period from now, also for a task that waits already.
    /// When no task waits and no reactor runs here, it is due one period after tick() is awaited.
    void reset() noexcept;
    /// Restarts the schedule: the next tick is due at `next` (see the constructor), the others follow in
    /// steps of the period.
    void reset(time_point next) noexcept;

    duration period() const noexcept { return period_; }

  private:
    friend class detail::tick_awaiter;
    interval_tick take(time_point now) noexcept;

    duration period_;
    time_point next_{};
    detail::tick_awaiter* waiting_ = nullptr;
    missed_ticks policy_;
    first_tick first_;
    bool scheduled_ = false;  // next_ is valid
};

}  // namespace bight
