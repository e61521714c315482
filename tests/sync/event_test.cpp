#include <bight/sync/event.hpp>

#include "support/cancellable.hpp"
#include "support/death.hpp"
#include "support/reactors.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>

#include <memory>
#include <string>
#include <vector>

using bight::auto_reset_event;
using bight::manual_reset_event;
using bight::task;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

template <class Event>
task<> wait_and_note(Event& e, std::vector<int>& log, int who) {
    co_await e.wait();
    log.push_back(who);
}

}  // namespace

TEST_CASE(
    "a manual event lets go all that wait, in order, in the next turn, and all that come while it is set") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        manual_reset_event e;
        CHECK_FALSE(e.is_set());
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int who = 1; who <= 3; ++who) g.spawn(wait_and_note(e, log, who));
            co_await test::turns(2);
            e.set();
            CHECK(e.is_set());
            CHECK(log.empty());
            co_await e.wait();  // is there: no turn passes
            log.push_back(0);
        });
        e.set();
        CHECK(e.is_set());
    });
    CHECK(log == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("resetting a manual event does not call back those it has let go") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        manual_reset_event e;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(wait_and_note(e, log, 1));
            co_await test::turns(2);
            e.set();
            e.reset();
            g.spawn(wait_and_note(e, log, 2));
            co_await test::turns(4);
            CHECK(log == std::vector<int>{1});
            e.set();
        });
    });
    CHECK(log == std::vector<int>{1, 2});
}

TEST_CASE("an automatic event lets go one task for each set, first in, first out") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        auto_reset_event e;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int who = 1; who <= 3; ++who) g.spawn(wait_and_note(e, log, who));
            co_await test::turns(2);
            e.set();
            CHECK_FALSE(e.is_set());
            CHECK(log.empty());
            co_await test::turns(2);
            CHECK(log == std::vector<int>{1});
            e.set();
            e.set();
        });
        CHECK_FALSE(e.is_set());
    });
    CHECK(log == std::vector<int>{1, 2, 3});
}

TEST_CASE("an automatic event remembers one set for the next that comes") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        auto_reset_event e;
        e.set();
        e.set();
        co_await e.wait();
        CHECK_FALSE(e.is_set());
        const bool again = co_await bight::try_with_timeout(e.wait(), 5ms);
        CHECK_FALSE(again);
        CHECK(on.elapsed() == 5ms);
        e.set();
        CHECK(e.try_wait());
        CHECK_FALSE(e.try_wait());
        e.set();
        e.reset();
        CHECK_FALSE(e.try_wait());

        auto_reset_event set_from_the_start(true);
        co_await set_from_the_start.wait();
        manual_reset_event also(true);
        co_await also.wait();
        co_await also.wait();
    });
}

TEST_CASE("cancelling any task that waits for an event leaves the order of the others") {
    const int victim = GENERATE(1, 2, 3);
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        auto_reset_event e;
        test::cancellable all[3];
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 3; ++i) g.spawn(all[i].run(wait_and_note(e, log, i + 1)));
            co_await test::turns(3);
            all[victim - 1].cancel();
            e.set();
            e.set();
            CHECK_FALSE(e.is_set());
        });
    });
    std::vector<int> expected{1, 2, 3};
    expected.erase(expected.begin() + victim - 1);
    CHECK(log == expected);
}

TEST_CASE("a task that an event has let go goes on though it is cancelled in the same turn") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        auto_reset_event e;
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(one.run(wait_and_note(e, log, 1)));
            co_await test::turns(3);
            e.set();
            one.cancel();
        });
    });
    CHECK(log == std::vector<int>{1});
}

TEST_CASE("an event may be destroyed once it has let go those who waited") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        auto e = std::make_unique<manual_reset_event>();
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(wait_and_note(*e, log, 1));
            co_await test::turns(2);
            e->set();
            e.reset();
        });
    });
    CHECK(log == std::vector<int>{1});
}

TEMPLATE_TEST_CASE("a loop over an event that is set lets others run", "", manual_reset_event,
                   auto_reset_event) {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        TestType e(true);
        int others = 0;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                for (;;) {
                    co_await bight::yield();
                    ++others;
                }
            });
            for (int i = 0; i < 10'000; ++i) {
                co_await e.wait();
                e.set();
            }
            g.cancel();
        });
        CHECK(others >= 10'000 / static_cast<int>(bight::reactor::completion_budget + 1) - 1);
    });
}

TEMPLATE_TEST_CASE("destroying an event that a task waits for ends the program, naming the line that waits",
                   "", manual_reset_event, auto_reset_event) {
    const std::string said = test::dying_words([] {
        bight::reactor r;
        std::vector<int> log;
        auto e = std::make_unique<TestType>();
        auto body = [&](bight::group& g) -> task<> {
            g.spawn(wait_and_note(*e, log, 1));
            co_await test::turns(2);
            e.reset();
        };
        auto root = [&]() -> task<> { co_await bight::with_group(body); };
        r.run(root());
    });
    CHECK_THAT(said, Contains("an event was destroyed while a task waits for it"));
    CHECK_THAT(said, Contains("event_test.cpp:"));
}
