#include <bight/core/wall_clock.hpp>

#include "platform.hpp"
#include "reactor_state.hpp"

#include <bight/core/duration.hpp>
#include <bight/core/reactor.hpp>

#include <algorithm>

namespace bight {

namespace {

// No kernel interface tells every demultiplexer that the clock was set, so the clock is looked at.
constexpr std::chrono::seconds look_again{1};

// A date may be as far away as its type allows, in either direction.
duration left_until(std::chrono::system_clock::time_point date) noexcept {
    const auto now = wall_clock_now();
    if (date <= now) return duration::zero();
    return date - now;
}

}  // namespace

std::chrono::system_clock::time_point wall_clock_now() noexcept {
    if (detail::platform* const simulated = detail::platform::current()) return simulated->wall_time();
    return std::chrono::system_clock::now();
}

namespace detail {

bool date_awaiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    wait_on();
    return true;
}

void date_awaiter::wait_on() noexcept {
    const duration left = left_until(date_);
    if (left <= duration::zero()) {
        ready();
    } else {
        const duration next = reactor_state::dateless(home()) ? left : std::min<duration>(left, look_again);
        reactor_access::arm(home(), *this, saturating_add(home().now(), next));
    }
}

void date_awaiter::expired() noexcept {
    if (reactor_state::dateless(home())) {
        ready();
    } else {
        wait_on();
    }
}

void date_awaiter::cancel() noexcept {
    reactor_access::disarm(home(), *this);
    confirm_cancel();
}

void date_awaiter::describe(std::string& out) const {
    out += "a date";
    append_time_left(out, saturating_add(home().now(), left_until(date_)), home().now());
}

}  // namespace detail

}  // namespace bight
