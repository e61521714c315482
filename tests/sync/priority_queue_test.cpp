#include "all_is_quiet.hpp"

#include "support/cancellable.hpp"
#include "support/death.hpp"
#include "support/fickle.hpp"
#include "support/reactors.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/sync/priority_queue.hpp>

#include <algorithm>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using bight::priority_queue;
using bight::task;
using test::all_is_quiet;
using test::fickle;
using namespace std::chrono_literals;

namespace {

using log_of = std::vector<int>;

struct order {
    int priority;
    int number;
    friend bool operator<(const order& a, const order& b) { return a.priority < b.priority; }
};

task<> push_and_note(priority_queue<int>& q, int value, log_of& log) {
    co_await q.push(value);
    log.push_back(value);
}

task<> pop_and_note(priority_queue<int>& q, int who, log_of& log) {
    auto value = co_await q.pop();
    log.push_back(100 * who + value.value_or(-1));
}

}  // namespace

TEST_CASE("the highest is popped first, and equal ones in the order of pushing") {
    std::mt19937 random(GENERATE(1U, 2U, 3U));
    priority_queue<order> q;
    CHECK(q.capacity() == bight::unbounded);
    std::vector<order> model;
    auto pop_one = [&] {
        const auto first = std::max_element(model.begin(), model.end());  // the first of those that are equal
        const auto got = q.try_pop();
        REQUIRE(got.has_value());
        CHECK(got->priority == first->priority);
        CHECK(got->number == first->number);
        model.erase(first);
    };
    for (int i = 0; i < 2000; ++i) {
        if (random() % 3 > 0 || model.empty()) {
            const order pushed{static_cast<int>(random() % 8), i};
            model.push_back(pushed);
            CHECK(q.try_push(pushed));
        } else {
            pop_one();
        }
        REQUIRE(q.size() == model.size());
    }
    while (!model.empty()) pop_one();
    CHECK(q.empty());
    CHECK_FALSE(q.try_pop());
}

TEST_CASE("another order may be given") {
    struct greater {
        bool operator()(int a, int b) const { return a > b; }
    };
    priority_queue<int, greater> q;
    for (const int i : {3, 1, 2}) CHECK(q.try_push(i));
    CHECK(q.try_pop() == 1);

    int middle = 10;
    auto nearer = [middle](int a, int b) { return std::abs(a - middle) > std::abs(b - middle); };
    priority_queue<int, decltype(nearer)> near(4, nearer);
    for (const int i : {1, 12, 9, 30}) CHECK(near.try_push(i));
    CHECK_FALSE(near.try_push(10));
    CHECK(near.try_pop() == 9);
    CHECK(near.try_pop() == 12);
}

TEST_CASE("a push waits while the queue is full; what waits comes in first come, first served") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        priority_queue<int> q(2);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (const int i : {1, 2, 3, 9}) g.spawn(push_and_note, std::ref(q), i, std::ref(log));
            co_await all_is_quiet();
            CHECK(log == log_of{1, 2});
            CHECK_FALSE(q.try_push(5));
            CHECK(q.try_pop() == 2);  // lets 3 in, which came before 9
            CHECK(q.size() == 2);
            CHECK_FALSE(q.try_push(5));
            const auto second = co_await q.pop();
            CHECK(second == 3);
            const auto third = co_await q.pop();
            CHECK(third == 9);
            const auto last = co_await q.pop();
            CHECK(last == 1);
        });
    });
    CHECK(log == log_of{1, 2, 3, 9});
}

TEST_CASE("tasks that pop are served in the order in which they came, and never inside the push") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        priority_queue<int> q;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int who = 1; who <= 3; ++who) g.spawn(pop_and_note, std::ref(q), who, std::ref(log));
            co_await all_is_quiet();
            for (int i = 1; i <= 4; ++i) CHECK(q.try_push(i));
            CHECK(log.empty());
        });
        CHECK(q.size() == 1);
    });
    CHECK(log == log_of{101, 202, 303});
}

TEST_CASE("a cancelled pop takes nothing, and a cancelled push leaves nothing") {
    test::virtual_fixture on;
    const int which = GENERATE(0, 1, 2);
    log_of popped;
    log_of pushed;
    on.run([&]() -> task<> {
        priority_queue<int> q(1);
        test::cancellable one[3];
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 3; ++i) {
                g.spawn([&, i] { return one[i].run(pop_and_note(q, i, popped)); });
            }
            co_await all_is_quiet();
            one[which].cancel();
            CHECK(q.try_push(1));
            CHECK(q.try_push(2));
            CHECK(q.empty());
        });
        CHECK(q.try_push(0));
        test::cancellable other[3];
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 3; ++i) {
                g.spawn([&, i] { return other[i].run(push_and_note(q, i + 1, pushed)); });
            }
            co_await all_is_quiet();
            other[which].cancel();
            for (int i = 0; i < 3; ++i) CHECK(q.try_pop().has_value());
            CHECK_FALSE(q.try_pop());
        });
    });
    log_of expected_pops;
    log_of expected_pushes;
    for (int i = 0, value = 1; i < 3; ++i) {
        if (i == which) continue;
        expected_pops.push_back(100 * i + value++);
        expected_pushes.push_back(i + 1);
    }
    CHECK(popped == expected_pops);
    CHECK(pushed == expected_pushes);
}

TEST_CASE("what was handed over in the same turn as a cancellation arrives") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        priority_queue<int> q(1);
        test::cancellable popping;
        test::cancellable pushing;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&] { return popping.run(pop_and_note(q, 1, log)); });
            co_await all_is_quiet();
            CHECK(q.try_push(7));
            popping.cancel();
            co_await all_is_quiet();
            CHECK(log == log_of{107});
            CHECK(q.try_push(1));
            g.spawn([&] { return pushing.run(push_and_note(q, 2, log)); });
            co_await all_is_quiet();
            CHECK(q.try_pop() == 1);
            pushing.cancel();
            CHECK(q.try_pop() == 2);
        });
    });
    CHECK(log == log_of{107, 2});
}

TEST_CASE("a time-out around push and pop leaves the queue as it was") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        priority_queue<int> q(1);
        const auto none = co_await bight::try_with_timeout(q.pop(), 5ms);
        CHECK_FALSE(none);
        CHECK(q.try_push(1));
        const bool pushed = co_await bight::try_with_timeout(q.push(2), 5ms);
        CHECK_FALSE(pushed);
        CHECK(on.elapsed() == 10ms);
        CHECK(q.try_pop() == 1);
        CHECK_FALSE(q.try_pop());
    });
}

TEST_CASE("after close, what is left is popped by priority, then comes the end; pushing fails") {
    test::virtual_fixture on;
    log_of all;
    std::vector<std::error_code> codes;
    on.run([&]() -> task<> {
        priority_queue<int> q(3);
        for (const int i : {1, 3, 2}) CHECK(q.try_push(i));
        auto push = [&]() -> task<> {
            try {
                co_await q.push(4);
            } catch (const std::system_error& e) {
                codes.push_back(e.code());
            }
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(push);
            co_await all_is_quiet();
            q.close();
            q.close();
        });
        co_await push();
        CHECK(codes == std::vector<std::error_code>(2, bight::errc::closed));
        CHECK_FALSE(q.try_push(5));
        while (auto value = co_await q.pop()) all.push_back(*value);
        const auto refused = co_await bight::as_result(q.push(6));
        CHECK(refused.error() == bight::errc::closed);
        const auto end = co_await bight::as_result(q.pop());
        CHECK(end.error() == bight::errc::closed);
    });
    CHECK(all == log_of{3, 2, 1});
}

TEST_CASE("close lets every task that pops go on, in order") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        priority_queue<int> q;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int who = 1; who <= 3; ++who) g.spawn(pop_and_note, std::ref(q), who, std::ref(log));
            co_await all_is_quiet();
            q.close();
        });
    });
    CHECK(log == log_of{99, 199, 299});
}

TEST_CASE("values that only move, and moves that throw, are queued safely") {
    test::virtual_fixture on;
    fickle::living = 0;
    on.run([&]() -> task<> {
        priority_queue<fickle> q(3);
        for (const int i : {2, 1}) CHECK(q.try_push(i));
        fickle third(3);
        fickle::moves_left = 0;
        CHECK_THROWS_AS(q.try_push(std::move(third)), std::runtime_error);
        CHECK(q.size() == 2);
        CHECK(q.try_push(3));

        log_of log;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto pushes = [&](int value) -> task<> {
                try {
                    co_await q.push(value);
                    log.push_back(value);
                } catch (const std::runtime_error&) {
                    log.push_back(-value);
                }
            };
            g.spawn(pushes, 4);
            g.spawn(pushes, 5);
            co_await all_is_quiet();
            fickle::moves_left = 1;
            const auto highest = co_await q.pop();
            CHECK(highest->value == 3);
        });
        CHECK(log == log_of{-4, 5});

        fickle::moves_left = 0;
        CHECK_THROWS_AS(q.try_pop(), std::runtime_error);  // 5 is gone
        CHECK(q.size() == 2);
        CHECK(q.try_pop()->value == 2);
        CHECK(q.size() == 1);
    });
    CHECK(fickle::living == 0);

    priority_queue<std::string> strings;
    for (int i = 0; i < 40; ++i) strings.try_push(std::string(30, static_cast<char>('a' + i * 7 % 26)));
    std::string before(30, 'z');
    while (auto next = strings.try_pop()) {
        CHECK(*next <= before);
        before = *next;
    }
}

TEST_CASE("a capacity of 0 is refused") { CHECK_THROWS_AS(priority_queue<int>(0), std::invalid_argument); }

TEST_CASE("destroying a queue in which a task waits ends the program, and names the line") {
    const std::string said = test::dying_words([&] {
        bight::reactor r;
        auto gone = std::make_unique<priority_queue<int>>();
        auto waits = [&]() -> task<> { co_await gone->pop(); };
        auto body = [&](bight::group& g) -> task<> {
            g.spawn(waits);
            co_await bight::yield();
            co_await bight::yield();
            gone.reset();
        };
        auto root = [&]() -> task<> { co_await bight::with_group(body); };
        r.run(root());
    });
    CHECK_THAT(said, Catch::Contains("a priority queue was destroyed") &&
                         Catch::Contains("priority_queue_test.cpp"));
}
