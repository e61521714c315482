#include <bight/core/deferred.hpp>
#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/sync/event.hpp>

#include "support/error_of.hpp"
#include "support/reactors.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;

task<int> number(int n, bight::duration after) {
    co_await bight::sleep_for(after);
    co_return n;
}

}  // namespace

TEST_CASE("with_timeout throws timed_out when the deadline comes first, after the task has unwound") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        const auto held = std::make_shared<int>(1);
        auto holds = [](std::shared_ptr<int> h) -> task<> {
            co_await bight::sleep_for(1h);
            (void)h;
        };
        const auto begun = on.reactor().now();
        const auto code = co_await test::error_of(bight::with_timeout(holds(held), 5ms));
        CHECK(code == bight::errc::timed_out);
        CHECK(code == std::errc::timed_out);
        CHECK(held.use_count() == 1);
        CHECK(on.reactor().now() - begun >= 5ms);
        CHECK(on.reactor().statistics().live_timers == 0);
    });
}

TEST_CASE("with_timeout gives the value of a task that is in time, and its timer is gone") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        const int n = co_await bight::with_timeout(number(5, 1ms), 1h);
        CHECK(n == 5);
        CHECK(on.reactor().statistics().live_timers == 0);
        const int at_once = co_await bight::with_timeout(number(6, 0s), 1h);
        CHECK(at_once == 6);
        const int for_ever = co_await bight::with_timeout(number(7, 0s), bight::duration::max());
        CHECK(for_ever == 7);
        co_await bight::with_timeout(bight::sleep_for(1ms), 1h);  // any operation
    });
}

TEST_CASE("a result that is there at the deadline wins") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        // Both timers are due in the same turn, and the deadline's was armed first.
        bight::deferred<int> d;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto limited = [&]() -> task<> {
                auto wait = [&]() -> task<int> { co_return co_await d; };
                const auto got = co_await bight::try_with_timeout(wait(), 10ms);
                CHECK(got == std::optional<int>(3));
            };
            g.spawn(limited);
            co_await bight::yield();
            co_await bight::yield();
            d.set_value(3);
            // The reactor looks at its timers again only after the deadline.
            const auto until = on.reactor().now() + 12ms;
            while (on.reactor().now() < until) {
            }
        });

        // A deadline that has passed already lets the task go as far as it comes without waiting.
        auto at_once = []() -> task<int> { co_return 1; };
        const auto now = co_await bight::try_with_timeout(at_once(), 0s);
        CHECK(now == std::optional<int>(1));
        const auto past = co_await bight::try_with_timeout(at_once(), -1s);
        CHECK(past == std::optional<int>(1));
    });
}

TEST_CASE("a time-out wins over what another timer of the same instant would bring") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        const bool slept = co_await bight::try_with_timeout(bight::sleep_for(5ms), 5ms);
        CHECK_FALSE(slept);
        const bool a_little_more = co_await bight::try_with_timeout(bight::sleep_for(5ms), 5ms + 1ns);
        CHECK(a_little_more);
        // Also when that other timer was armed first: the task that it wakes has not run yet.
        bight::deferred<int> d;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto gives = [&]() -> task<> {
                co_await bight::sleep_for(5ms);
                d.set_value(3);
            };
            auto limited = [&]() -> task<> {
                auto wait = [&]() -> task<int> { co_return co_await d; };
                const auto got = co_await bight::try_with_timeout(wait(), 5ms);
                CHECK_FALSE(got.has_value());
            };
            g.spawn(gives);
            g.spawn(limited);
            co_return;
        });
    });
}

TEST_CASE("try_with_timeout gives nullopt or false where with_timeout throws") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        const auto late = co_await bight::try_with_timeout(number(1, 1h), 1ms);
        CHECK(late == std::nullopt);
        const auto in_time = co_await bight::try_with_timeout(number(1, 0s), 1h);
        CHECK(in_time == std::optional<int>(1));
        const bool slept = co_await bight::try_with_timeout(bight::sleep_for(1ms), 1h);
        CHECK(slept);
        const bool gone = co_await bight::try_with_timeout(bight::sleep_for(1h), 1ms);
        CHECK_FALSE(gone);
    });
}

TEST_CASE("errors pass through time-outs") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        auto fails = []() -> task<int> {
            co_await bight::yield();
            throw std::invalid_argument("mine");
        };
        int caught = 0;
        try {
            co_await bight::with_timeout(fails(), 1h);
        } catch (const std::invalid_argument&) {
            ++caught;
        }
        try {
            co_await bight::try_with_timeout(fails(), 1h);
        } catch (const std::invalid_argument&) {
            ++caught;
        }
        CHECK(caught == 2);
        CHECK(on.reactor().statistics().live_timers == 0);
    });
}

TEST_CASE("of nested time-outs, the one that passed is the one that throws") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        std::string log;
        auto inner_first = [&]() -> task<> {
            const auto code = co_await test::error_of(bight::with_timeout(number(1, 1h), 1ms));
            CHECK(code == bight::errc::timed_out);
            log += "inner ";
        };
        co_await bight::with_timeout(inner_first(), 1h);

        auto outer_first = [&]() -> task<> {
            const auto code = co_await test::error_of(bight::with_timeout(number(1, 1h), 2h));
            CHECK(code == bight::errc::timed_out);
            log += "never ";
        };
        const auto code = co_await test::error_of(bight::with_timeout(outer_first(), 1ms));
        CHECK(code == bight::errc::timed_out);
        log += "outer";
        CHECK(log == "inner outer");
    });
}

TEST_CASE("a cancellation from outside passes through a time-out, and is no time-out") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        bool caught = false;
        bool went_on = false;
        auto limited = [&]() -> task<> {
            try {
                co_await bight::with_timeout(number(1, 1h), 1h);
                went_on = true;
            } catch (...) {
                caught = true;
            }
            const auto never = co_await bight::try_with_timeout(number(1, 1h), 1h);
            went_on = went_on || !never;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(limited);
            co_await bight::sleep_for(1ms);
            g.cancel();
        });
        CHECK_FALSE(caught);
        CHECK_FALSE(went_on);
    });
}

TEST_CASE(
    "a cancellation in the turn in which a limited wait succeeds is not lost: the next wait ends with it") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        bool succeeded = false;
        bool went_on = false;
        bight::manual_reset_event ready;
        auto limited = [&]() -> task<> {
            succeeded = co_await bight::try_with_timeout(ready.wait(), 1h);
            co_await bight::sleep_for(1ms);
            went_on = true;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(limited);
            co_await bight::sleep_for(1ms);
            ready.set();
            g.cancel();
        });
        CHECK(succeeded);
        CHECK_FALSE(went_on);
    });
}

TEST_CASE("the value of a task that gives a reference comes as a pointer, null when the deadline wins") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        int lasting = 4;
        auto give = [&](bight::duration when) -> task<int&> {
            co_await bight::sleep_for(when);
            co_return lasting;
        };
        int* const in_time = co_await bight::try_with_timeout(give(1s), 2s);
        CHECK(in_time == &lasting);
        int* const late = co_await bight::try_with_timeout(give(3s), 2s);
        CHECK(late == nullptr);
        int& thrown_otherwise = co_await bight::with_timeout(give(1s), 2s);
        CHECK(&thrown_otherwise == &lasting);
    });
}
