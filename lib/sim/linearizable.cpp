#include <bight/sim/linearizable.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace bight::sim::detail {

namespace {

using call_kind = register_call::kind;
using outcome = register_call::outcome;

// Searches, depth first, all orders of a history's calls in which no call comes before one that had ended
// when it began. The order so far is a stack, and its calls are marked. What can follow depends only on the
// set of these calls and on the value after them, not on their order: a combination of the two that has
// failed once is not entered again.
class order_search {
  public:
    order_search(std::vector<const register_call*> calls, std::size_t initial)
        : calls_(std::move(calls)), taken_(calls_.size(), false), value_(initial) {
        for (const register_call* c : calls_) required_ += c->ended_as == outcome::ended ? 1 : 0;
    }

    // True when there is an order. Throws undecided.
    bool run(std::size_t most_steps) {
        std::size_t from = 0;
        while (required_ > 0) {
            const std::size_t next = next_possible(from);
            if (next < calls_.size()) {
                if (++steps_ > most_steps) {
                    throw undecided("after " + std::to_string(most_steps) +
                                    " steps it is not known whether " + std::to_string(calls_.size()) +
                                    " calls are linearizable");
                }
                take(next);
                if (seen_.insert(configuration()).second) {
                    if (order_.size() > longest_.size()) longest_ = order_;
                    from = 0;
                    continue;
                }
            } else if (order_.empty()) {
                return false;
            }
            from = put_back() + 1;
        }
        return true;
    }

    // The longest order found, as indices of calls.
    std::vector<std::size_t> longest() const {
        std::vector<std::size_t> numbers;
        for (const step& s : longest_) numbers.push_back(s.call);
        return numbers;
    }

  private:
    struct step {
        std::size_t call;
        std::size_t value_before;
    };

    bool fits(const register_call& c) const noexcept {
        switch (c.what) {
            case call_kind::read: return c.value == value_;
            case call_kind::write: return true;
            // A call without an answer may also have failed: then it is left out.
            case call_kind::exchange:
                return c.ended_as == outcome::ended ? c.exchanged == (c.expected == value_)
                                                    : c.expected == value_;
        }
        return false;
    }

    // The first call from `from` on that may come next; calls_.size() when there is none.
    std::size_t next_possible(std::size_t from) noexcept {
        // A call must not begin after the end of a call that is not in the order yet. Calls are sorted by
        // their beginning.
        std::uint64_t first_end = register_call::never;
        for (std::size_t i = first_; i < calls_.size() && calls_[i]->begun < first_end; ++i) {
            if (!taken_[i]) first_end = std::min(first_end, calls_[i]->ended);
        }
        for (std::size_t i = std::max(from, first_); i < calls_.size() && calls_[i]->begun < first_end; ++i) {
            if (!taken_[i] && fits(*calls_[i])) return i;
        }
        return calls_.size();
    }

    void take(std::size_t i) {
        const register_call& c = *calls_[i];
        order_.push_back({i, value_});
        taken_[i] = true;
        if (c.ended_as == outcome::ended) --required_;
        if (c.what == call_kind::write || (c.what == call_kind::exchange && c.expected == value_))
            value_ = c.value;
        while (first_ < calls_.size() && taken_[first_]) ++first_;
    }

    std::size_t put_back() {
        const step last = order_.back();
        order_.pop_back();
        taken_[last.call] = false;
        if (calls_[last.call]->ended_as == outcome::ended) ++required_;
        value_ = last.value_before;
        first_ = std::min(first_, last.call);
        return last.call;
    }

    // The key of the memory: the value, how many calls from the beginning are all in the order, and which
    // others are.
    std::vector<std::uint64_t> configuration() const {
        std::vector<std::uint64_t> key{value_, first_};
        std::size_t others = order_.size() - first_;
        for (std::size_t i = first_; others > 0; ++i) {
            if (!taken_[i]) continue;
            --others;
            const std::size_t word = 2 + (i - first_) / 64;
            if (key.size() <= word) key.resize(word + 1);
            key[word] |= std::uint64_t{1} << ((i - first_) % 64);
        }
        return key;
    }

    const std::vector<const register_call*> calls_;
    std::vector<bool> taken_;
    std::size_t first_ = 0;  // all before it are taken
    std::size_t value_;
    std::size_t required_ = 0;  // of the calls that have ended, those that are not in yet
    std::vector<step> order_;
    std::vector<step> longest_;
    std::set<std::vector<std::uint64_t>> seen_;
    std::size_t steps_ = 0;
};

std::string described(const register_call& c, const std::vector<std::string>& values) {
    std::string text = c.by;
    const bool answered = c.ended_as == outcome::ended;
    switch (c.what) {
        case call_kind::read: text += " read " + values[c.value]; break;
        case call_kind::write: text += " wrote " + values[c.value]; break;
        case call_kind::exchange:
            text += " exchanged " + values[c.expected] + " for " + values[c.value];
            if (answered) text += c.exchanged ? ": it was" : ": it was not";
            break;
    }
    return text + " (from " + seconds_text(c.begun_at) +
           (answered ? " to " + seconds_text(c.ended_at) : std::string(", no answer")) + ")";
}

}  // namespace

std::string judge(const std::vector<register_call>& calls, std::size_t initial,
                  const std::vector<std::string>& values, std::size_t most_steps) {
    std::vector<const register_call*> looked_at;  // in the order in which they began, as they were added
    for (const register_call& c : calls) {
        const bool tells = c.what != call_kind::read || c.ended_as == outcome::ended;
        if (tells && c.ended_as != outcome::refused) looked_at.push_back(&c);
    }
    order_search s(looked_at, initial);
    if (s.run(most_steps)) return {};

    const std::vector<std::size_t> order = s.longest();
    constexpr std::size_t shown = 5;
    std::string text = std::to_string(order.size()) + " of its " + std::to_string(looked_at.size()) +
                       " calls can be put in an order";
    if (!order.empty()) text += ", of which the last are";
    for (std::size_t i = order.size() - std::min(order.size(), shown); i < order.size(); ++i) {
        text += "\n    " + described(*looked_at[order[i]], values);
    }
    text += "\nand none of these can be the next:";
    std::size_t listed = 0;
    for (std::size_t i = 0; i < looked_at.size() && listed < shown; ++i) {
        const bool in = std::find(order.begin(), order.end(), i) != order.end();
        if (in || looked_at[i]->ended_as != outcome::ended) continue;
        text += "\n    " + described(*looked_at[i], values);
        ++listed;
    }
    return text;
}

}  // namespace bight::sim::detail
