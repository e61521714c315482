// The date: the system's, or a simulated world's.
#include <bight/core/wall_clock.hpp>

#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <bight/core/sleep.hpp>

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
