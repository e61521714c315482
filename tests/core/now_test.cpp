// The time on the reactor's clock.
#include <bight/core/now.hpp>

#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>

#include "support/reactors.hpp"

#include <stdexcept>
#include <string>

using bight::task;
using namespace std::chrono_literals;

TEST_CASE("now is the machine's monotonic time") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        const auto before = bight::clock::now();
        const auto seen = bight::now();
        CHECK(before <= seen);
        CHECK(seen <= bight::clock::now());
        co_return;
    });
}

TEST_CASE("now is virtual where the clock is") {
    auto five_hours = []() -> task<> {
        CHECK(bight::now() == bight::reactor::current()->now());
        const auto before = bight::now();
        co_await bight::sleep_for(5h);
        CHECK(bight::now() - before == 5h);
    };
    SECTION("in virtual time") { test::virtual_fixture().run(five_hours); }
    SECTION("in a simulated world") {
        test::reactor_fixture(test::reactor_choice::simulated(1)).run(five_hours);
    }
}

TEST_CASE("now names its line where no reactor runs") {
    std::string said;
    try {
        bight::now();
    } catch (const std::logic_error& e) {
        said = e.what();
    }
    CHECK_THAT(said, Catch::Contains("now_test.cpp:") && Catch::Contains("bight::now() was used where no"));
}
