// A deadline that is moved while a task runs under it.
#include <bight/core/movable_deadline.hpp>

#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/now.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>

#include "support/cancellable.hpp"
#include "support/death.hpp"
#include "support/error_of.hpp"
#include "support/reactors.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

using bight::movable_deadline;
using bight::task;
using namespace std::chrono_literals;

namespace {

// A case runs in virtual time on each demultiplexer, and in the simulation.
template <class F>
void on_each(F body) {
    SECTION("in virtual time") {
        const auto kind = GENERATE(from_range(test::demultiplexers()));
        CAPTURE(kind);
        test::virtual_fixture on(kind);
        on.run([&] { return body(on.reactor()); });
    }
    SECTION("in the simulation") {
        test::reactor_fixture on(test::reactor_choice::simulated(1));
        on.run([&] { return body(on.reactor()); });
    }
}

task<int> number(int n, bight::duration after) {
    co_await bight::sleep_for(after);
    co_return n;
}

// Pushes the deadline every `period`, so many times, and then falls silent.
task<> pushes(movable_deadline& limit, bight::duration period, int times) {
    for (int i = 0; i < times; ++i) {
        co_await bight::sleep_for(period);
        limit.push();
    }
    co_await bight::sleep_for(1000h);
}

}  // namespace

TEST_CASE("a movable deadline that nobody moves is like any other") {
    on_each([](bight::reactor& r) -> task<> {
        movable_deadline limit(10s);
        CHECK(limit.when() == bight::time_point::max());
        CHECK(limit.limit() == 10s);
        const auto begun = bight::now();
        const auto held = std::make_shared<int>(1);
        auto holds = [](std::shared_ptr<int> h) -> task<> {
            co_await bight::sleep_for(1h);
            (void)h;
        };
        const auto code = co_await test::error_of(bight::with_timeout(holds(held), limit));
        CHECK(code == bight::errc::timed_out);
        CHECK(bight::now() - begun == 10s);
        CHECK(held.use_count() == 1);
        const int in_time =
            co_await bight::with_timeout(number(3, 9s), limit);  // used again, and begins anew
        CHECK(in_time == 3);
        const auto late = co_await bight::try_with_timeout(number(4, 11s), limit);
        CHECK(late == std::nullopt);
        const auto early = co_await bight::try_with_timeout(number(5, 9s), limit);
        CHECK(early == std::optional<int>(5));
        CHECK(r.statistics().live_timers == 0);
    });
}

TEST_CASE("each push moves the deadline to its limit from then") {
    on_each([](bight::reactor& r) -> task<> {
        movable_deadline limit(10s);
        const auto begun = bight::now();
        const bool done = co_await bight::try_with_timeout(pushes(limit, 9s, 100), limit);
        CHECK_FALSE(done);
        CHECK(bight::now() - begun == 900s + 10s);
        CHECK(r.statistics().live_timers == 0);
    });
}

TEST_CASE("a deadline may be moved to an earlier time, to one that has passed, and from another task") {
    on_each([](bight::reactor&) -> task<> {
        movable_deadline limit(1h);
        const auto begun = bight::now();
        auto moves = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            limit.move_to(begun + 5s);
            CHECK(limit.when() == begun + 5s);
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(moves);
            const bool done = co_await bight::try_with_timeout(bight::sleep_for(2h), limit);
            CHECK_FALSE(done);
        });
        CHECK(bight::now() - begun == 5s);

        auto moves_back = [&]() -> task<> {
            limit.move_to(begun);
            co_await bight::sleep_for(2h);
        };
        const bool done = co_await bight::try_with_timeout(moves_back(), limit);
        CHECK_FALSE(done);
        CHECK(bight::now() - begun == 5s);

        // Before it is awaited: it begins with the first move.
        limit.move_to(bight::now() + 3s);
        co_await bight::sleep_for(1s);
        const bool again = co_await bight::try_with_timeout(bight::sleep_for(2h), limit);
        CHECK_FALSE(again);
        CHECK(bight::now() - begun == 8s);
    });
}

TEST_CASE("a push costs no work on timers until the former deadline has come") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        movable_deadline limit(10s);
        auto busy = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            for (int i = 0; i < 1000; ++i) limit.push();
            // One timer, which is still armed for the former deadline.
            CHECK(on.reactor().statistics().live_timers == 1);
            CHECK(on.reactor().next_deadline() == bight::now() + 9s);
            CHECK(limit.when() == bight::now() + 10s);
            co_await bight::sleep_for(1h);
        };
        const auto begun = bight::now();
        const bool done = co_await bight::try_with_timeout(busy(), limit);
        CHECK_FALSE(done);
        CHECK(bight::now() - begun == 11s);
    });
}

TEST_CASE("a push after the deadline comes too late, and a result that is there wins") {
    on_each([](bight::reactor&) -> task<> {
        movable_deadline limit(10s);
        auto pushes_late = [&]() -> task<> {
            co_await bight::sleep_for(10s);  // the deadline, which was armed first, has passed
            limit.push();
            co_await bight::sleep_for(1s);
        };
        const bool pushed = co_await bight::try_with_timeout(pushes_late(), limit);
        CHECK_FALSE(pushed);
        const auto there = co_await bight::try_with_timeout(number(7, 0s), limit);
        CHECK(there == std::optional<int>(7));
        movable_deadline none(0s);
        const auto at_once = co_await bight::try_with_timeout(number(8, 1s), none);
        CHECK(at_once == std::nullopt);
        movable_deadline for_ever(bight::duration::max());
        const int n = co_await bight::with_timeout(number(9, 10000h), for_ever);
        CHECK(n == 9);
    });
}

TEST_CASE("one with_timeout at a time waits for a movable deadline") {
    on_each([](bight::reactor&) -> task<> {
        movable_deadline limit(10s);
        auto again = [&]() -> task<std::error_code> {
            co_return co_await test::error_of(bight::with_timeout(bight::sleep_for(1s), limit));
        };
        const auto code = co_await bight::with_timeout(again(), limit);
        CHECK(code == bight::errc::busy);
    });
}

TEST_CASE("errors and cancellations pass through a movable deadline") {
    on_each([](bight::reactor& r) -> task<> {
        movable_deadline limit(10s);
        auto fails = []() -> task<> {
            co_await bight::sleep_for(1s);
            throw std::runtime_error("as it is");
        };
        std::string said;
        try {
            co_await bight::with_timeout(fails(), limit);
        } catch (const std::runtime_error& e) {
            said = e.what();
        }
        CHECK(said == "as it is");

        test::cancellable one;
        auto waits = [&]() -> task<> { co_await bight::with_timeout(bight::sleep_for(1h), limit); };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(one.run(waits()));
            co_await bight::sleep_for(1s);
            one.cancel();
        });
        CHECK_FALSE(one.ended());
        CHECK(limit.when() == bight::time_point::max());
        CHECK(r.statistics().live_timers == 0);
    });
}

TEST_CASE("a movable deadline that is destroyed while with_timeout waits for it ends the process") {
    const std::string said = test::dying_words([] {
        bight::reactor r;
        auto limit = std::make_unique<movable_deadline>(1h);
        auto drops = [&]() -> task<> {
            limit.reset();
            co_return;
        };
        auto waits = [&]() -> task<> { co_await bight::with_timeout(drops(), *limit); };
        r.run(waits());
    });
    CHECK_THAT(said, Catch::Contains("a movable_deadline was destroyed while a with_timeout waited for it"));
}
