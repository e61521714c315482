#include <bight/core/detail/lazy_timer.hpp>

#include <bight/core/reactor.hpp>

namespace bight::detail {

void lazy_timer::start(reactor& home, time_point due) noexcept {
    home_ = &home;
    due_ = due;
    arm_again();
}

void lazy_timer::stop() noexcept {
    if (home_) reactor_access::disarm(*home_, *this);
}

void lazy_timer::describe_time_left(std::string& out) const {
    if (armed()) append_time_left(out, due_, home_->now());
}

void lazy_timer::arm_again() noexcept { reactor_access::arm(*home_, *this, due_); }

void lazy_timer::expired() noexcept {
    if (due_ > home_->now()) {
        arm_again();
    } else {
        overdue();
    }
}

}  // namespace bight::detail
