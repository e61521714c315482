#include <bight/sync/barrier.hpp>

#include "support/cancellable.hpp"
#include "support/death.hpp"
#include "support/reactors.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using bight::barrier;
using bight::task;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

template <class Barrier>
task<> arrive_and_note(Barrier& b, std::vector<int>& log, int who) {
    const bool last = co_await b.arrive_and_wait();
    log.push_back(last ? -who : who);
}

}  // namespace

TEST_CASE("a barrier holds all until the last has arrived, and tells it so") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        barrier b(4);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int who = 1; who <= 3; ++who) g.spawn(arrive_and_note(b, log, who));
            co_await test::turns(3);
            CHECK(log.empty());
            CHECK(b.waiting() == 3);
            CHECK(b.participants() == 4);
            const bool last = co_await b.arrive_and_wait();
            CHECK(last);
            CHECK(log.empty());
            CHECK(b.waiting() == 0);
        });
    });
    CHECK(log == std::vector<int>{1, 2, 3});
}

TEST_CASE("a barrier keeps tasks in step through many phases, and calls its completion once in each") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        constexpr int tasks = 5;
        constexpr int phases = 50;
        int in_phase[tasks] = {};
        int completed = 0;
        auto check_and_count = [&] {
            ++completed;
            for (const int phase : in_phase) CHECK(phase == completed);
        };
        barrier b(tasks, check_and_count);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int& mine : in_phase) {
                g.spawn([&]() -> task<> {
                    for (int i = 0; i < phases; ++i) {
                        ++mine;
                        co_await b.arrive_and_wait();
                        CHECK(completed == mine);
                    }
                });
            }
            co_return;
        });
        CHECK(completed == phases);
    });
}

TEST_CASE("a cancelled task has not arrived at a barrier: the others wait for another") {
    const int victim = GENERATE(1, 2, 3);
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        barrier<> b(4);
        test::cancellable all[3];
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 3; ++i) g.spawn(all[i].run(arrive_and_note(b, log, i + 1)));
            co_await test::turns(4);
            all[victim - 1].cancel();
            CHECK(b.waiting() == 2);
            g.spawn(arrive_and_note(b, log, 4));
            co_await test::turns(4);
            CHECK(log.empty());
            g.spawn(arrive_and_note(b, log, 5));
        });
    });
    std::vector<int> expected{-5, 1, 2, 3, 4};
    expected.erase(expected.begin() + victim);
    CHECK(log == expected);
}

TEST_CASE("a task that a barrier has let go goes on though it is cancelled in the same turn") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        barrier b(2);
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(one.run(arrive_and_note(b, log, 1)));
            co_await test::turns(3);
            co_await b.arrive_and_wait();
            one.cancel();
            CHECK(log.empty());
        });
    });
    CHECK(log == std::vector<int>{1});
}

TEST_CASE("a task that drops out is waited for no more, and may end the phase") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        int completed = 0;
        barrier b(3, [&] { ++completed; });
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(arrive_and_note(b, log, 1));
            g.spawn(arrive_and_note(b, log, 2));
            co_await test::turns(2);
            b.arrive_and_drop();
            CHECK(completed == 1);
            CHECK(log.empty());
            CHECK(b.participants() == 2);
            co_await test::turns(2);
            CHECK(log == std::vector<int>{1, 2});
            b.arrive_and_drop();
            CHECK(completed == 1);
            co_await b.arrive_and_wait();
            CHECK(completed == 2);
            b.arrive_and_drop();
            CHECK(completed == 3);
            CHECK_THROWS_AS(b.arrive_and_drop(), std::logic_error);
        });
    });
}

TEST_CASE("what a completion throws comes out of the last arrival, and the others go on") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        barrier b(2, [] { throw std::runtime_error("completion"); });
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(arrive_and_note(b, log, 1));
            co_await test::turns(2);
            std::string what;
            try {
                co_await b.arrive_and_wait();
            } catch (const std::runtime_error& e) {
                what = e.what();
            }
            CHECK(what == "completion");
            g.spawn(arrive_and_note(b, log, 2));
            co_await test::turns(3);
            CHECK_THROWS_AS(b.arrive_and_drop(), std::runtime_error);
        });
    });
    CHECK(log == std::vector<int>{1, 2});
}

TEST_CASE("with_timeout bounds the wait at a barrier, and takes the arrival back") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        barrier b(2);
        const auto got = co_await bight::try_with_timeout(b.arrive_and_wait(), 5ms);
        CHECK_FALSE(got);
        CHECK(on.elapsed() == 5ms);
        CHECK(b.waiting() == 0);
    });
}

TEST_CASE("a barrier for one task never holds it, and lets others run; one for none is refused") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        CHECK_THROWS_AS(barrier<>(0), std::invalid_argument);
        barrier b(1);
        int others = 0;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                for (;;) {
                    co_await bight::yield();
                    ++others;
                }
            });
            for (int i = 0; i < 10'000; ++i) co_await b.arrive_and_wait();
            g.cancel();
        });
        CHECK(others >= 10'000 / static_cast<int>(bight::reactor::completion_budget + 1) - 1);
    });
}

TEST_CASE("destroying a barrier that a task waits at ends the program, naming the line that waits") {
    const std::string said = test::dying_words([] {
        bight::reactor r;
        std::vector<int> log;
        auto b = std::make_unique<barrier<>>(2u);
        auto body = [&](bight::group& g) -> task<> {
            g.spawn(arrive_and_note(*b, log, 1));
            co_await test::turns(2);
            b.reset();
        };
        auto root = [&]() -> task<> { co_await bight::with_group(body); };
        r.run(root());
    });
    CHECK_THAT(said, Contains("a barrier was destroyed while a task waits for it"));
    CHECK_THAT(said, Contains("barrier_test.cpp:"));
}

TEST_CASE("a barrier in which no task takes part any more runs no phases, and says so to who arrives") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        int phases = 0;
        auto completion = [&] { ++phases; };
        barrier b(1, completion);
        b.arrive_and_drop();
        CHECK(phases == 1);
        bool refused = false;
        try {
            (void)co_await b.arrive_and_wait();
        } catch (const std::logic_error&) {
            refused = true;
        }
        CHECK(refused);
        CHECK_THROWS_AS(b.arrive_and_drop(), std::logic_error);
        CHECK(phases == 1);
    });
}
