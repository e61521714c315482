// The date: the system's, or a simulated world's.
#include <bight/core/wall_clock.hpp>

#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <bight/core/now.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <optional>

using namespace std::chrono_literals;
using std::chrono::system_clock;

TEST_CASE("the date is the system's, on a reactor and off it") {
    const auto between = [](system_clock::time_point seen, system_clock::time_point before) {
        return before <= seen && seen <= system_clock::now();
    };
    const auto before = system_clock::now();
    CHECK(between(bight::wall_clock_now(), before));
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> bight::task<> {
        CHECK(between(bight::wall_clock_now(), before));
        co_return;
    });
}

TEST_CASE("in virtual time the date is still the system's, for only timers are virtual") {
    test::virtual_fixture on;
    on.run([]() -> bight::task<> {
        const auto before = system_clock::now();
        co_await bight::sleep_for(1000h);
        CHECK(bight::wall_clock_now() - before < 1000h);
    });
}

TEST_CASE("in a simulated world the date is that world's, and goes with its time") {
    std::optional<system_clock::time_point> first;
    for (int run = 0; run < 2; ++run) {  // the same each time
        test::reactor_fixture on(test::reactor_choice::simulated(1));
        on.run([&]() -> bight::task<> {
            const auto before = bight::wall_clock_now();
            if (!first) first = before;
            CHECK(before == *first);
            co_await bight::sleep_for(1000h);
            CHECK(bight::wall_clock_now() - before == 1000h);
        });
    }
}

TEST_CASE("a date is waited for, never less, and one that has passed ends in the next turn") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    on.run([]() -> bight::task<> {
        const auto date = bight::wall_clock_now() + 20ms;
        co_await bight::sleep_until(date);
        CHECK(bight::wall_clock_now() >= date);
        co_await bight::sleep_until(date);
        co_await bight::sleep_until(system_clock::time_point::min());
    });
}

TEST_CASE("the wait for a date can be cancelled, however far away it is") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    on.run([]() -> bight::task<> {
        const bool came =
            co_await bight::try_with_timeout(bight::sleep_until(system_clock::time_point::max()), 5ms);
        CHECK_FALSE(came);
    });
    CHECK(on.reactor().statistics().live_timers == 0);
}

TEST_CASE("in virtual time what is left until a date at the beginning is waited for") {
    test::virtual_fixture on;
    on.run([]() -> bight::task<> { co_await bight::sleep_until(bight::wall_clock_now() + 1000h); });
    CHECK(on.elapsed() <= 1000h);
    CHECK(on.elapsed() > 999h);
}

TEST_CASE("the wait for a date follows a clock that is set, within a second") {
    const auto jump = GENERATE(5h, -3h);
    bight::sim::world w(1);
    bight::sim::host& host = w.add("host");
    std::optional<system_clock::time_point> date;
    std::optional<bight::duration> ended;
    host.run([&]() -> bight::task<> {
        date = bight::wall_clock_now() + 10h;
        co_await bight::sleep_until(*date);
        CHECK(bight::wall_clock_now() >= *date);
        CHECK(bight::wall_clock_now() < *date + 1s);
        ended = w.elapsed();
    });
    w.run_for(1h);
    REQUIRE(date.has_value());
    host.set_date(*date - 9h + jump);
    w.run();
    REQUIRE(ended.has_value());
    CHECK(*ended >= 10h - jump);
    CHECK(*ended < 10h - jump + 1s);
}
