#include <bight/core/interval.hpp>

#include <bight/core/error.hpp>

#include <algorithm>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace bight {

namespace {

// Keeps the difference of two times of a schedule within the range of a duration.
time_point not_before_epoch(time_point t) noexcept { return std::max(t, time_point()); }

}  // namespace

interval::interval(duration period, missed_ticks policy, first_tick first)
    : period_(period), policy_(policy), first_(first) {
    if (period <= duration::zero()) throw std::invalid_argument("the period of an interval is positive");
}

interval::interval(time_point start, duration period, missed_ticks policy) : interval(period, policy) {
    reset(start);
}

interval::~interval() {
    if (!waiting_) return;
    detail::reactor_access::disarm(waiting_->home(), *waiting_);
    waiting_->on_ = nullptr;
    waiting_->ready();
}

void interval::reset() noexcept {
    if (const reactor* const r = waiting_ ? &waiting_->home() : reactor::current()) {
        reset(saturating_add(r->now(), period_));
    } else {
        scheduled_ = false;
        first_ = first_tick::after_a_period;
    }
}

void interval::reset(time_point next) noexcept {
    next_ = not_before_epoch(next);
    scheduled_ = true;
    if (!waiting_) return;
    detail::reactor_access::disarm(waiting_->home(), *waiting_);
    detail::reactor_access::arm(waiting_->home(), *waiting_, next_);
}

// Returns the tick that is due, and advances the schedule.
interval_tick interval::take(time_point now) noexcept {
    const duration late = now - next_;
    const interval_tick tick{next_, static_cast<std::uint64_t>(late / period_)};
    switch (policy_) {
        case missed_ticks::burst: next_ = saturating_add(next_, period_); break;
        case missed_ticks::skip: next_ = saturating_add(now - late % period_, period_); break;
        case missed_ticks::delay: next_ = saturating_add(now, period_); break;
    }
    return tick;
}

namespace detail {

bool tick_awaiter::await_ready() const {
    if (on_->waiting_) throw std::system_error(errc::busy, "another task waits for a tick of this interval");
    return false;
}

bool tick_awaiter::wait() noexcept {
    const time_point now = home().now();
    if (!on_->scheduled_) {
        on_->scheduled_ = true;
        on_->next_ = on_->first_ == first_tick::at_once ? now : saturating_add(now, on_->period_);
    }
    if (on_->next_ <= now) {
        tick_ = on_->take(now);
        return finish_now();
    }
    on_->waiting_ = this;
    detail::reactor_access::arm(home(), *this, on_->next_);
    return true;
}

// Advances the schedule here, where the tick can no longer be cancelled.
void tick_awaiter::expired() noexcept {
    on_->waiting_ = nullptr;
    tick_ = on_->take(std::max(home().now(), on_->next_));
    ready();
}

void tick_awaiter::cancel() noexcept {
    detail::reactor_access::disarm(home(), *this);
    on_->waiting_ = nullptr;
    confirm_cancel();
}

interval_tick tick_awaiter::await_resume() const {
    if (!on_) throw std::system_error(errc::closed, "the interval was destroyed");
    return tick_;
}

}  // namespace detail
}  // namespace bight
