#include "answer_cache.hpp"

#include <algorithm>
#include <utility>

namespace bight::detail {

const kept_answer* answer_cache::find(const question& q, time_point now) {
    const auto at = by_question_.find(q);
    if (at != by_question_.end() && at->second->answer.until > now) {
        by_use_.splice(by_use_.begin(), by_use_, at->second);
        ++counted_.hits;
        return &at->second->answer;
    }
    if (at != by_question_.end()) remove(at->second);
    ++counted_.misses;
    return nullptr;
}

void answer_cache::keep(const question& q, kept_answer answer, duration ttl, time_point now,
                        std::uint64_t asked_in) {
    if (options_.most_entries == 0 || ttl <= duration::zero() || asked_in != generation_) return;
    answer.until = saturating_add(now, std::min(ttl, options_.longest_ttl));
    entries made;
    made.push_front({std::move(answer), by_question_.end()});
    const auto [at, is_new] = by_question_.try_emplace(q, made.begin());
    if (!is_new) {
        by_use_.erase(at->second);
        at->second = made.begin();
    }
    made.front().at = at;
    by_use_.splice(by_use_.begin(), made);
    if (by_question_.size() <= options_.most_entries) return;
    remove(std::prev(by_use_.end()));
    ++counted_.evicted;
}

void answer_cache::clear() noexcept {
    ++generation_;
    by_question_.clear();
    by_use_.clear();
}

caching_statistics answer_cache::statistics() const noexcept {
    caching_statistics now = counted_;
    now.entries = by_question_.size();
    return now;
}

void answer_cache::remove(entries::iterator e) noexcept {
    by_question_.erase(e->at);
    by_use_.erase(e);
}

}  // namespace bight::detail
