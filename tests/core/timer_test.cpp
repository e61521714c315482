// The heap of timers, against a model that sorts.
#include "support/catch.hpp"

#include <bight/core/detail/timer.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

using bight::time_point;
using bight::detail::timer_heap;

namespace {

constexpr std::uint64_t everything = UINT64_MAX;  // a mark that leaves nothing for the next round

time_point at(int ticks) { return time_point(bight::duration(ticks)); }

class numbered final : public bight::detail::timer {
  public:
    explicit numbered(int n = 0) noexcept : number(n) {}
    void expired() noexcept override {
        if (then) then();
    }
    int number;
    std::function<void()> then;
};

int number_of(bight::detail::timer* t) { return t ? static_cast<numbered*>(t)->number : -1; }

std::vector<std::unique_ptr<numbered>> make(int count) {
    std::vector<std::unique_ptr<numbered>> all;
    for (int i = 0; i < count; ++i) all.push_back(std::make_unique<numbered>(i));
    return all;
}

// The numbers of all that are due, in the order in which they come out.
std::vector<int> pop_all(timer_heap& heap, time_point now) {
    std::vector<int> out;
    while (auto* t = heap.pop_due(now, everything)) out.push_back(number_of(t));
    return out;
}

}  // namespace

TEST_CASE("an empty heap of timers has nothing due, and no deadline") {
    timer_heap heap;
    numbered t;
    CHECK(heap.empty());
    CHECK(heap.size() == 0);
    CHECK(heap.next_deadline() == time_point::max());
    CHECK(heap.pop_due(time_point::max(), everything) == nullptr);
    CHECK_FALSE(heap.disarm(t));
    CHECK_FALSE(t.armed());
}

TEST_CASE("a timer is due at its deadline and not before") {
    timer_heap heap;
    numbered t(7);
    heap.arm(t, at(100));
    CHECK(t.armed());
    CHECK(t.deadline() == at(100));
    CHECK(heap.next_deadline() == at(100));
    CHECK(heap.pop_due(at(99), everything) == nullptr);
    CHECK(number_of(heap.pop_due(at(100), everything)) == 7);
    CHECK_FALSE(t.armed());
    CHECK(heap.empty());
}

TEST_CASE("timers with equal deadlines come out in the order of arming") {
    timer_heap heap;
    auto all = make(50);
    std::vector<int> expected;
    for (auto& t : all) heap.arm(*t, at(5));
    // Arming one again moves it to the end.
    heap.arm(*all[10], at(5));
    for (int i = 0; i < 50; ++i) {
        if (i != 10) expected.push_back(i);
    }
    expected.push_back(10);
    CHECK(pop_all(heap, at(5)) == expected);
}

TEST_CASE("arming a timer again replaces its deadline, to an earlier one and to a later one") {
    timer_heap heap;
    auto all = make(3);
    heap.arm(*all[0], at(10));
    heap.arm(*all[1], at(20));
    heap.arm(*all[2], at(30));
    heap.arm(*all[2], at(1));
    heap.arm(*all[0], at(40));
    CHECK(heap.size() == 3);
    CHECK(heap.next_deadline() == at(1));
    CHECK(pop_all(heap, at(100)) == std::vector<int>{2, 1, 0});
}

TEST_CASE("each node can be disarmed, wherever it is in the heap") {
    // Armed with descending deadlines, each becomes the root; with ascending ones, a child of the root; the
    // pops before make a tree with several levels. So every position comes up: root, first, middle and last
    // child.
    constexpr int count = 12;
    for (const bool ascending : {true, false}) {
        for (int popped = 0; popped < 4; ++popped) {
            for (int gone = 0; gone < count; ++gone) {
                CAPTURE(ascending, popped, gone);
                timer_heap heap;
                auto all = make(count);
                std::vector<int> expected;
                for (int i = 0; i < count; ++i) {
                    const int n = ascending ? i : count - 1 - i;
                    heap.arm(*all[static_cast<std::size_t>(n)], at(n));
                }
                for (int i = 0; i < popped; ++i) heap.pop_due(at(count), everything);
                const bool was_armed = all[static_cast<std::size_t>(gone)]->armed();
                CHECK(was_armed == (gone >= popped));
                CHECK(heap.disarm(*all[static_cast<std::size_t>(gone)]) == was_armed);
                CHECK_FALSE(heap.disarm(*all[static_cast<std::size_t>(gone)]));
                for (int i = popped; i < count; ++i) {
                    if (i != gone) expected.push_back(i);
                }
                CHECK(heap.size() == expected.size());
                CHECK(pop_all(heap, at(count)) == expected);
                CHECK(heap.empty());
            }
        }
    }
}

TEST_CASE("a timer that was armed after the mark waits for the next round") {
    timer_heap heap;
    numbered again(1);
    numbered other(2);
    int fired = 0;
    again.then = [&] {
        ++fired;
        heap.arm(again, at(10));
    };
    heap.arm(again, at(10));
    heap.arm(other, at(10));
    for (int round = 1; round <= 3; ++round) {
        const std::uint64_t mark = heap.mark();
        int in_this_round = 0;
        while (auto* t = heap.pop_due(at(10), mark)) {
            REQUIRE(++in_this_round <= 2);
            t->expired();
        }
        CHECK(fired == round);
    }
    CHECK(again.armed());
    CHECK_FALSE(other.armed());
    heap.disarm(again);
}

TEST_CASE("a timer may disarm others when it expires, due ones too") {
    timer_heap heap;
    auto all = make(4);
    for (auto& t : all) heap.arm(*t, at(1));
    all[0]->then = [&] { heap.disarm(*all[2]); };
    std::vector<int> fired;
    const std::uint64_t mark = heap.mark();
    while (auto* t = heap.pop_due(at(1), mark)) {
        fired.push_back(number_of(t));
        t->expired();
    }
    CHECK(fired == std::vector<int>{0, 1, 3});
}

TEST_CASE("random arming, disarming and expiry agree with a sorted map") {
    for (const unsigned seed : {1U, 2U, 3U, 4U}) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        timer_heap heap;
        auto all = make(200);
        std::map<std::pair<time_point, std::uint64_t>, int> model;
        std::vector<std::pair<time_point, std::uint64_t>> key(all.size());
        std::uint64_t order = 0;
        bool agree = true;
        for (int step = 0; step < 50'000 && agree; ++step) {
            const std::size_t n = random() % all.size();
            numbered& t = *all[n];
            switch (random() % 4) {
                case 0:
                case 1: {
                    if (t.armed()) model.erase(key[n]);
                    key[n] = {at(static_cast<int>(random() % 1000)), order++};
                    model[key[n]] = static_cast<int>(n);
                    heap.arm(t, key[n].first);
                    break;
                }
                case 2: {
                    const bool known = t.armed() && model.erase(key[n]) == 1;
                    agree = heap.disarm(t) == known;
                    break;
                }
                default: {
                    const time_point now = at(static_cast<int>(random() % 1000));
                    const bool due = !model.empty() && model.begin()->first.first <= now;
                    const int expected = due ? model.begin()->second : -1;
                    if (due) model.erase(model.begin());
                    agree = number_of(heap.pop_due(now, everything)) == expected;
                }
            }
            const time_point next = model.empty() ? time_point::max() : model.begin()->first.first;
            agree = agree && heap.size() == model.size() && heap.next_deadline() == next;
        }
        CHECK(agree);
        std::vector<int> expected;
        for (const auto& [k, n] : model) expected.push_back(n);
        CHECK(pop_all(heap, time_point::max()) == expected);
    }
}

TEST_CASE("100,000 timers in any order come out sorted") {
    constexpr int count = 100'000;
    for (const int form : {0, 1, 2}) {
        CAPTURE(form);
        std::vector<int> deadlines(count);
        for (int i = 0; i < count; ++i)
            deadlines[static_cast<std::size_t>(i)] = form == 1 ? count - 1 - i : i;
        if (form == 2) std::shuffle(deadlines.begin(), deadlines.end(), std::mt19937(99));
        std::vector<numbered> all(count);
        timer_heap heap;
        for (std::size_t i = 0; i < deadlines.size(); ++i) {
            all[i].number = deadlines[i];
            heap.arm(all[i], at(deadlines[i]));
        }
        CHECK(heap.size() == count);
        // Half of them do not live to see it, as time-outs do.
        for (auto& t : all) {
            if (t.number % 2 == 1) heap.disarm(t);
        }
        const std::vector<int> out = pop_all(heap, at(count));
        CHECK(out.size() == count / 2);
        CHECK(std::is_sorted(out.begin(), out.end()));
        CHECK(heap.empty());
    }
}

TEST_CASE("adding to a time never goes past the last moment") {
    using bight::duration;
    using bight::saturating_add;
    CHECK(saturating_add(at(5), duration(6)) == at(11));
    CHECK(saturating_add(at(5), duration(-6)) == at(-1));
    CHECK(saturating_add(at(5), duration::max()) == time_point::max());
    CHECK(saturating_add(time_point::max(), duration(1)) == time_point::max());
    CHECK(saturating_add(time_point::max(), duration::zero()) == time_point::max());
    CHECK(saturating_add(at(5), duration::max() - duration(5)) == time_point::max());
    CHECK(saturating_add(at(5), duration::max() - duration(6)) == time_point::max() - duration(1));
}
