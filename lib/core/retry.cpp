#include <bight/core/retry.hpp>

#include <bight/core/random.hpp>

#include <algorithm>
#include <stdexcept>

namespace bight {

void retry_history::clear() noexcept {
    attempts_ = 0;
    waited_ = duration::zero();
    errors_.clear();
}

void retry_history::failed(const std::exception_ptr& error) {
    if (errors_.size() == capacity) errors_.erase(errors_.begin());
    errors_.push_back(error);
}

namespace detail {

retry_state::retry_state(const retry_policy& policy) : policy_(policy) {
    if (policy.first_delay < duration::zero() || policy.max_delay < duration::zero()) {
        throw std::invalid_argument("the delay of a retry is negative");
    }
    if (!(policy.factor >= 1)) throw std::invalid_argument("the back-off of a retry must not shrink");
    if (policy.deadline <= duration::zero()) {
        throw std::invalid_argument("the deadline of a retry is zero or negative");
    }
    backoff_ = std::min(policy.first_delay, policy.max_delay);
}

void retry_state::begin(time_point now) noexcept {
    start_ = now;
    end_ = saturating_add(now, policy_.deadline);
    if (policy_.history) policy_.history->clear();
}

retry_attempt retry_state::next_attempt(time_point now) {
    ++attempts_;
    if (policy_.history) policy_.history->begin_attempt();
    return {attempts_, now - start_, has_deadline() ? end_ - now : duration::max()};
}

bool retry_state::is_over(time_point now) const noexcept { return has_deadline() && now >= end_; }

duration retry_state::pause_after(const std::exception_ptr& error, time_point now) {
    constexpr duration none(-1);
    if (policy_.history) policy_.history->failed(error);
    if (policy_.max_attempts > 0 && attempts_ >= policy_.max_attempts) return none;
    const duration pause = draw(backoff_);
    const double grown = static_cast<double>(backoff_.count()) * policy_.factor;
    backoff_ = grown < static_cast<double>(policy_.max_delay.count())
                   ? duration(static_cast<duration::rep>(grown))
                   : policy_.max_delay;
    if (has_deadline() && pause >= end_ - now) return none;
    return pause;
}

std::uint64_t retry_state::random() const {
    return policy_.random ? policy_.random(policy_.random_context) : bight::random();
}

duration retry_state::draw(duration whole) const {
    const auto up_to = [this](duration d) {
        return duration(static_cast<duration::rep>(random() % (static_cast<std::uint64_t>(d.count()) + 1)));
    };
    switch (policy_.spread) {
        case jitter::none: break;
        case jitter::equal: return whole - whole / 2 + up_to(whole / 2);
        case jitter::full: return up_to(whole);
    }
    return whole;
}

}  // namespace detail
}  // namespace bight
