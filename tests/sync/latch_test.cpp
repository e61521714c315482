#include <bight/sync/latch.hpp>

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

using bight::latch;
using bight::task;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

task<> wait_and_note(latch& l, std::vector<int>& log, int who) {
    co_await l.wait();
    log.push_back(who);
}

task<> arrive_and_note(latch& l, std::vector<int>& log, int who) {
    co_await l.arrive_and_wait();
    log.push_back(who);
}

}  // namespace

TEST_CASE("a latch lets all go in order, in the turn after the last arrival, and holds nobody after") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        latch l(3);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(wait_and_note(l, log, 1));
            g.spawn(arrive_and_note(l, log, 2));
            g.spawn(wait_and_note(l, log, 3));
            co_await test::turns(2);
            CHECK(l.pending() == 2);
            l.count_down();
            co_await test::turns(2);
            CHECK(log.empty());
            CHECK_FALSE(l.try_wait());
            l.count_down();
            CHECK(l.try_wait());
            CHECK(log.empty());
            co_await l.wait();
            log.push_back(0);
        });
    });
    CHECK(log == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("the last task to arrive and wait does not wait") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        latch l(1);
        co_await l.arrive_and_wait();
        CHECK(l.try_wait());
        const latch none(0);
        CHECK(none.try_wait());
    });
}

TEST_CASE("more arrivals than a latch waits for are refused, and change nothing") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        latch l(2);
        CHECK_THROWS_AS(l.count_down(3), std::logic_error);
        CHECK(l.pending() == 2);
        l.count_down(0);
        l.count_down(2);
        bool refused = false;
        try {
            co_await l.arrive_and_wait();
        } catch (const std::logic_error&) {
            refused = true;
        }
        CHECK(refused);
        co_await l.wait();
    });
}

TEST_CASE("cancelling any task that waits for a latch leaves the order of the others") {
    const int victim = GENERATE(1, 2, 3);
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        latch l(1);
        test::cancellable all[3];
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 3; ++i) g.spawn(all[i].run(wait_and_note(l, log, i + 1)));
            co_await test::turns(3);
            all[victim - 1].cancel();
            l.count_down();
        });
    });
    std::vector<int> expected{1, 2, 3};
    expected.erase(expected.begin() + victim - 1);
    CHECK(log == expected);
}

TEST_CASE(
    "an arrival counts though its task is cancelled while it waits; one cancelled before does not arrive") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        latch l(3);
        const bool done = co_await bight::try_with_timeout(l.arrive_and_wait(), 5ms);
        CHECK_FALSE(done);
        CHECK(on.elapsed() == 5ms);
        CHECK(l.pending() == 2);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.cancel();
            co_await l.arrive_and_wait();
        });
        CHECK(l.pending() == 2);
    });
}

TEST_CASE("a task that a latch has let go goes on though it is cancelled in the same turn") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        latch l(1);
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(one.run(wait_and_note(l, log, 1)));
            co_await test::turns(3);
            l.count_down();
            one.cancel();
        });
    });
    CHECK(log == std::vector<int>{1});
}

TEST_CASE("a latch may be destroyed once it has let go those who waited") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        auto l = std::make_unique<latch>(1u);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(wait_and_note(*l, log, 1));
            co_await test::turns(2);
            l->count_down();
            l.reset();
        });
    });
    CHECK(log == std::vector<int>{1});
}

TEST_CASE("destroying a latch that a task waits for ends the program, naming the line that waits") {
    const std::string said = test::dying_words([] {
        bight::reactor r;
        std::vector<int> log;
        auto l = std::make_unique<latch>(1u);
        auto body = [&](bight::group& g) -> task<> {
            g.spawn(wait_and_note(*l, log, 1));
            co_await test::turns(2);
            l.reset();
        };
        auto root = [&]() -> task<> { co_await bight::with_group(body); };
        r.run(root());
    });
    CHECK_THAT(said, Contains("a latch was destroyed while a task waits for it"));
    CHECK_THAT(said, Contains("wait_and_note at ") && Contains("latch_test.cpp:"));
}
