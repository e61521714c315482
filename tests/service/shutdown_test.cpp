// shutdown_phases: hooks for what comes before, during and after a shutdown.
#include <bight/service/shutdown.hpp>

#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <bight/core/group.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/when_any.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

using bight::shutdown_hook;
using bight::shutdown_phase;
using bight::shutdown_phases;
using bight::task;
using namespace std::chrono_literals;

TEST_CASE("before: hooks run side by side, begun in the order of registration") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        shutdown_phases phases;
        std::string log;
        auto slow = [&](char begins, char ends) {
            return [&log, begins, ends]() -> task<> {
                log += begins;
                co_await bight::sleep_for(1s);
                log += ends;
            };
        };
        const shutdown_hook a = phases.add(shutdown_phase::before, "a", slow('a', 'A'));
        const shutdown_hook b = phases.add(shutdown_phase::before, "b", slow('b', 'B'));
        const shutdown_hook other = phases.add(shutdown_phase::after, "other", slow('x', 'X'));
        const shutdown_hook c = phases.add(shutdown_phase::before, "c", slow('c', 'C'));
        co_await phases.run(shutdown_phase::before, 10s);
        CHECK(log == "abcABC");
        CHECK(on.elapsed() == 1s);
        CHECK_FALSE(a.pending());
        CHECK(other.pending());
    });
}

TEST_CASE("during and after: one hook after the other, the last registered first") {
    const auto phase = GENERATE(shutdown_phase::during, shutdown_phase::after);
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        shutdown_phases phases;
        std::string log;
        auto slow = [&](char begins, char ends) {
            return [&log, begins, ends]() -> task<> {
                log += begins;
                co_await bight::sleep_for(1s);
                log += ends;
            };
        };
        const shutdown_hook a = phases.add(phase, "a", slow('a', 'A'));
        const shutdown_hook b = phases.add(phase, "b", slow('b', 'B'));
        const shutdown_hook plain = phases.add(phase, "no task", [&] { log += '-'; });
        co_await phases.run(phase, 10s);
        CHECK(log == "-bBaA");
        CHECK(on.elapsed() == 2s);
    });
}

TEST_CASE("a hook runs once") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        shutdown_phases phases;
        int ran = 0;
        const shutdown_hook a = phases.add(shutdown_phase::during, "a", [&] { ++ran; });
        co_await phases.run(shutdown_phase::during, 1s);
        co_await phases.run(shutdown_phase::during, 1s);
        CHECK(ran == 1);
    });
}

TEST_CASE("the handle takes a hook out, and frees its callable, unless it has begun") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        auto state = std::make_shared<int>(0);
        shutdown_phases phases;
        {
            const shutdown_hook a = phases.add(shutdown_phase::before, "a", [state] { ++*state; });
            CHECK(state.use_count() == 2);
        }
        CHECK(state.use_count() == 1);
        shutdown_hook b = phases.add(shutdown_phase::before, "b", [state] { ++*state; });
        shutdown_hook moved = std::move(b);
        CHECK_FALSE(b.remove());
        CHECK(moved.pending());
        CHECK(moved.remove());
        CHECK_FALSE(moved.remove());
        co_await phases.run(shutdown_phase::before, 1s);
        CHECK(*state == 0);
        shutdown_hook c = phases.add(shutdown_phase::before, "c", [state] { ++*state; });
        co_await phases.run(shutdown_phase::before, 1s);
        CHECK(*state == 1);
        CHECK_FALSE(c.remove());
        c = phases.add(shutdown_phase::before, "d", [state] { ++*state; });
        c = phases.add(shutdown_phase::before, "e", [state] { *state += 10; });  // d goes
        co_await phases.run(shutdown_phase::before, 1s);
        CHECK(*state == 11);
    });
}

TEST_CASE("a handle may outlive the phases") {
    test::virtual_fixture on;
    shutdown_hook left;
    {
        shutdown_phases phases;
        left = phases.add(shutdown_phase::after, "left", [] {});
        CHECK(left.pending());
    }
    CHECK_FALSE(left.pending());
    CHECK_FALSE(left.remove());
}

TEST_CASE("an error of a hook is reported with its name, and the others run") {
    const auto phase = GENERATE(shutdown_phase::before, shutdown_phase::during, shutdown_phase::after);
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        shutdown_phases phases;
        int ran = 0;
        const shutdown_hook a = phases.add(phase, "first", [&] { ++ran; });
        auto fails = []() -> task<> {
            co_await bight::sleep_for(1ms);
            throw std::runtime_error("it broke");
        };
        const shutdown_hook b = phases.add(phase, "broken", fails);
        const shutdown_hook c = phases.add(phase, "thrower", [] { throw std::runtime_error("at once"); });
        const shutdown_hook d = phases.add(phase, "last", [&] { ++ran; });
        co_await phases.run(phase, 1s);
        CHECK(ran == 2);
    });
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 2);
    const std::string both = errors[0] + errors[1];
    CHECK_THAT(both, Catch::Contains("the shutdown hook \"broken\"") && Catch::Contains("it broke") &&
                         Catch::Contains("the shutdown hook \"thrower\"") && Catch::Contains("at once") &&
                         Catch::Contains("shutdown_test.cpp"));
}

TEST_CASE("a hook that takes too long is cancelled, and reported") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        shutdown_phases phases;
        auto endless = []() -> task<> { co_await bight::sleep_for(24h); };
        bool ran = false;
        const shutdown_hook a = phases.add(shutdown_phase::during, "a", [&] { ran = true; });
        const shutdown_hook b = phases.add(shutdown_phase::during, "endless", endless);
        co_await phases.run(shutdown_phase::during, 3s);
        CHECK(ran);
        CHECK(on.elapsed() == 3s);
    });
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("\"endless\"") && Catch::Contains("deadline"));
}

TEST_CASE("a hook that a hook of the same phase adds is run too") {
    const auto phase = GENERATE(shutdown_phase::before, shutdown_phase::after);
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        shutdown_phases phases;
        shutdown_hook later;
        bool ran = false;
        const shutdown_hook first =
            phases.add(phase, "first", [&] { later = phases.add(phase, "later", [&] { ran = true; }); });
        co_await phases.run(phase, 3s);
        CHECK(ran);
    });
}

TEST_CASE("stop_now brings the deadline of a hook at once") {
    test::virtual_fixture on;
    auto root = [&]() -> task<> {
        shutdown_phases phases;
        auto endless = [&]() -> task<> {
            on.reactor().stop();
            co_await bight::sleep_for(1s);
            on.reactor().stop_now();
            co_await bight::sleep_for(24h);
        };
        const shutdown_hook a = phases.add(shutdown_phase::during, "endless", endless);
        co_await phases.run(shutdown_phase::during, 1h);
    };
    on.run([&]() -> task<> { co_await bight::shield(root(), 48h); });
    CHECK(on.elapsed() == 1s);
    CHECK(on.take_errors().size() == 1);
}

TEST_CASE("a cancellation in the turn in which a phase begins keeps no hook from running") {
    const auto phase = GENERATE(shutdown_phase::before, shutdown_phase::during, shutdown_phase::after);
    const bool before_it_begins = GENERATE(true, false);
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        shutdown_phases phases;
        int ran = 0;
        auto slow = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            ++ran;
        };
        const shutdown_hook a = phases.add(phase, "a", slow);
        const shutdown_hook b = phases.add(phase, "b", slow);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto run = [&]() -> task<> {
                if (before_it_begins) g.cancel();
                co_await phases.run(phase, 5s);
            };
            g.spawn(run);
            g.spawn([&]() -> task<> {
                g.cancel();
                co_return;
            });
            co_return;
        });
        CHECK(ran == 2);
        CHECK_FALSE(a.pending());
    });
}
