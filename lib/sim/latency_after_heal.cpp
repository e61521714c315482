#include <bight/sim/invariant.hpp>
#include <bight/sim/latency_after_heal.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace bight::sim {

latency_after_heal::wait latency_after_heal::begin(std::string what) {
    waits_.emplace(++last_, begun{std::move(what), world_.elapsed()});
    return {*this, last_};
}

duration latency_after_heal::since_heal(const begun& b) const noexcept {
    const auto healed = world_.healed_at();
    return healed ? world_.elapsed() - std::max(b.at, *healed) : duration::zero();
}

void latency_after_heal::measure(const begun& b, const char* outcome) {
    const duration took = since_heal(b);
    if (took <= most_) return;
    detail::report_broken_invariant(world_, b.what + " (begun " + detail::at_time(b.at) + ") " + outcome +
                                                " after " + detail::seconds_text(took) +
                                                " without harm, and not within " +
                                                detail::seconds_text(most_) + detail::now_in(world_));
}

void latency_after_heal::end(std::uint64_t number) {
    const auto at = waits_.find(number);
    if (at == waits_.end()) return;
    const begun b = std::move(at->second);
    waits_.erase(at);
    measure(b, "ended");
    longest_ = std::max(longest_, since_heal(b));
}

void latency_after_heal::check() {
    if (!world_.healed_at()) {
        throw std::logic_error(
            "latency_after_heal::check() of a world in which things go wrong: it measures from world::heal() "
            "on, "
            "which was not called, or was followed by set_faults() with a plan that does harm");
    }
    for (const auto& [number, b] : waits_) measure(b, "has not ended");
}

}  // namespace bight::sim
