// Sleeping and yielding.
#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>

#include "support/reactors.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;

task<> log_after(bight::duration d, std::string what, std::vector<std::string>& log) {
    log.push_back(what + " sleeps");
    co_await bight::sleep_for(d);
    log.push_back(what + " wakes");
}

task<> log_at(bight::time_point t, int number, std::vector<int>& log) {
    co_await bight::sleep_until(t);
    log.push_back(number);
}

task<> log_turns(int number, int turns, std::vector<int>& log) {
    for (int i = 0; i < turns; ++i) {
        log.push_back(number);
        co_await bight::yield();
    }
}

}  // namespace

TEST_CASE("sleepers with one deadline wake in the order in which they went to sleep") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    constexpr int count = 20;
    std::vector<int> woken;
    std::vector<int> expected;
    for (int i = 0; i < count; ++i) expected.push_back(i);
    on.run([&]() -> task<> {
        const auto deadline = bight::clock::now() + 5ms;
        co_await bight::with_group([&](bight::group& g) {
            for (int i = 0; i < count; ++i) g.spawn(log_at, deadline, i, std::ref(woken));
        });
    });
    CHECK(woken == expected);
}

TEST_CASE("sleepers wake in the order of their deadlines, whatever the order of arming") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::vector<int> woken;
    on.run([&]() -> task<> {
        const auto start = bight::clock::now();
        co_await bight::with_group([&](bight::group& g) {
            for (const int n : {3, 1, 4, 0, 2}) g.spawn(log_at, start + n * 1ms, n, std::ref(woken));
        });
    });
    CHECK(woken == std::vector<int>{0, 1, 2, 3, 4});
}

TEST_CASE("a sleep never ends early") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        for (const bight::duration d :
             {bight::duration(1), bight::duration(999ns), bight::duration(100us), bight::duration(999us),
              bight::duration(1001us), bight::duration(2500us)}) {
            const auto before = bight::clock::now();
            co_await bight::sleep_for(d);
            CHECK(bight::clock::now() - before >= d);
            const auto deadline = bight::clock::now() + d;
            co_await bight::sleep_until(deadline);
            CHECK(bight::clock::now() >= deadline);
        }
    });
}

TEST_CASE("tasks sleep beside each other") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::vector<std::string> log;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) {
            for (const char* name : {"a", "b", "c"}) g.spawn(log_after, 20ms, name, std::ref(log));
        });
    });
    CHECK(log ==
          std::vector<std::string>{"a sleeps", "b sleeps", "c sleeps", "a wakes", "b wakes", "c wakes"});
}

TEST_CASE("a sleep of no length, of a negative one, or until the past lets the others run first, and ends") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        for (const bight::duration d :
             {bight::duration::zero(), bight::duration(-1), bight::duration(-1h), bight::duration::min()}) {
            std::vector<std::string> log;
            co_await bight::with_group([&](bight::group& g) {
                g.spawn(log_after, d, "first", std::ref(log));
                g.spawn(log_after, d, "second", std::ref(log));
            });
            CHECK(log ==
                  std::vector<std::string>{"first sleeps", "second sleeps", "first wakes", "second wakes"});
        }
        co_await bight::sleep_until(bight::time_point::min());
        co_await bight::sleep_until(bight::clock::now() - 1h);
    });
}

TEST_CASE("a sleep without end stays in the future, and can be cancelled") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        bool ended = false;
        auto for_ever = [&]() -> task<> {
            co_await bight::sleep_for(bight::duration::max());
            ended = true;
        };
        auto until_the_end = [&]() -> task<> {
            co_await bight::sleep_until(bight::time_point::max());
            ended = true;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(for_ever);
            g.spawn(until_the_end);
            co_await bight::sleep_for(2ms);
            CHECK(g.size() == 2);
            CHECK(on.reactor().next_deadline() == bight::time_point::max());
            g.cancel();
        });
        CHECK_FALSE(ended);
        CHECK(on.reactor().statistics().live_timers == 0);
    });
}

TEST_CASE("a sleep that is cancelled ends at once: its timer is gone") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        std::vector<std::string> log;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(log_after, 1h, "it", std::ref(log));
            co_await bight::yield();
            CHECK(on.reactor().statistics().live_timers == 1);
            g.cancel();
            CHECK(on.reactor().statistics().live_timers == 0);
        });
        CHECK(log == std::vector<std::string>{"it sleeps"});
    });
}

TEST_CASE("a task that is cancelled already does not go to sleep") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        bool went_on = false;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.cancel();
            co_await bight::sleep_for(1h);
            went_on = true;
        });
        CHECK_FALSE(went_on);
        CHECK(on.reactor().statistics().live_timers == 0);
    });
}

TEST_CASE("tasks that yield take turns, in the order in which they were started") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::vector<int> log;
    std::vector<int> expected;
    for (int turn = 0; turn < 100; ++turn) {
        for (int n = 0; n < 5; ++n) expected.push_back(n);
    }
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) {
            for (int n = 0; n < 5; ++n) g.spawn(log_turns, n, 100, std::ref(log));
        });
    });
    CHECK(log == expected);
}

TEST_CASE("a task that yields can be cancelled") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        long turns = 0;
        auto endless = [&]() -> task<> {
            for (;; ++turns) co_await bight::yield();
        };
        const bool done = co_await bight::try_with_timeout(endless(), 1ms);
        CHECK_FALSE(done);
        CHECK(turns > 0);
    });
}
