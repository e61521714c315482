#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/interval.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/virtual_clock.hpp>
#include <bight/core/when_all.hpp>

#include "support/reactors.hpp"

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <tuple>
#include <vector>

using bight::duration;
using bight::first_tick;
using bight::interval;
using bight::missed_ticks;
using bight::task;
using bight::time_point;
using namespace std::chrono_literals;

namespace {

// When a tick was due, when it came, and how many it stands for; times since the test began.
using seen = std::tuple<duration, duration, std::uint64_t>;

class ticks {
  public:
    ticks(test::virtual_fixture& on, interval& every) : on_(on), every_(every), start_(on.time.now()) {}
    task<> one() {
        const auto tick = co_await every_.tick();
        all.emplace_back(tick.scheduled - start_, on_.elapsed(), tick.missed);
    }
    std::vector<seen> all;

  private:
    test::virtual_fixture& on_;
    interval& every_;
    time_point start_;
};

}  // namespace

TEST_CASE("the first tick of an interval comes at once, and the others a period apart") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        interval every(10ms);
        CHECK(every.period() == 10ms);
        ticks got(on, every);
        for (int n = 0; n < 4; ++n) co_await got.one();
        CHECK(got.all == std::vector<seen>{{0ms, 0ms, 0}, {10ms, 10ms, 0}, {20ms, 20ms, 0}, {30ms, 30ms, 0}});
    });
}

TEST_CASE("an interval may begin a period later, or at a time that is given; its schedule begins with tick") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        interval later(10ms, missed_ticks::burst, first_tick::after_a_period);
        co_await bight::sleep_for(3ms);
        ticks got(on, later);
        co_await got.one();
        CHECK(std::get<1>(got.all.back()) == 13ms);

        interval at(on.time.now() + 4ms, 10ms);
        ticks then(on, at);
        co_await then.one();
        co_await then.one();
        CHECK(std::get<1>(then.all.back()) == 27ms);

        interval past(on.time.now() - 25ms, 10ms, missed_ticks::skip);
        const auto late = co_await past.tick();
        CHECK(late.scheduled == on.time.now() - 25ms);
        CHECK(late.missed == 2);
        const auto next = co_await past.tick();
        CHECK(next.scheduled == on.time.now());
        CHECK(on.elapsed() == 32ms);
    });
}

TEST_CASE("burst makes up for each missed tick at once, and keeps the schedule") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        interval every(10ms, missed_ticks::burst);
        ticks got(on, every);
        co_await got.one();
        co_await bight::sleep_for(37ms);
        for (int n = 0; n < 4; ++n) co_await got.one();
        CHECK(got.all ==
              std::vector<seen>{
                  {0ms, 0ms, 0}, {10ms, 37ms, 2}, {20ms, 37ms, 1}, {30ms, 37ms, 0}, {40ms, 40ms, 0}});
    });
}

TEST_CASE("skip leaves missed ticks out, and keeps the schedule") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        interval every(10ms, missed_ticks::skip);
        ticks got(on, every);
        co_await got.one();
        co_await bight::sleep_for(37ms);
        for (int n = 0; n < 3; ++n) co_await got.one();
        CHECK(got.all == std::vector<seen>{{0ms, 0ms, 0}, {10ms, 37ms, 2}, {40ms, 40ms, 0}, {50ms, 50ms, 0}});
    });
}

TEST_CASE("delay leaves missed ticks out, and begins a new schedule") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        interval every(10ms, missed_ticks::delay);
        ticks got(on, every);
        co_await got.one();
        co_await bight::sleep_for(37ms);
        for (int n = 0; n < 3; ++n) co_await got.one();
        CHECK(got.all == std::vector<seen>{{0ms, 0ms, 0}, {10ms, 37ms, 2}, {47ms, 47ms, 0}, {57ms, 57ms, 0}});
    });
}

TEST_CASE("a tick that is taken exactly when the next is due counts that one as missed") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        interval every(10ms, missed_ticks::skip);
        ticks got(on, every);
        co_await got.one();
        co_await bight::sleep_for(20ms);
        co_await got.one();
        co_await got.one();
        CHECK(got.all == std::vector<seen>{{0ms, 0ms, 0}, {10ms, 20ms, 1}, {30ms, 30ms, 0}});
    });
}

TEST_CASE("a task that waits is told how many ticks its late timer stands for") {
    for (const auto policy : {missed_ticks::burst, missed_ticks::skip, missed_ticks::delay}) {
        bight::virtual_clock time(bight::virtual_clock::mode::manual);
        bight::reactor_options options;
        options.clock = &time;
        test::reactor_fixture on(bight::demultiplexer_kind::automatic, options);
        const time_point start = time.now();
        on.run([&]() -> task<> {
            interval every(10ms, policy, first_tick::after_a_period);
            auto wait = [&]() -> task<> {
                const auto tick = co_await every.tick();
                CHECK(tick.scheduled - start == 10ms);
                CHECK(tick.missed == 2);
            };
            auto jump = [&]() -> task<> {
                co_await bight::yield();
                time.advance(35ms);
            };
            co_await bight::when_all(wait(), jump());
        });
    }
}

TEST_CASE("burst and skip never drift, however late each tick is taken") {
    test::virtual_fixture on;
    const auto policy = GENERATE(missed_ticks::burst, missed_ticks::skip);
    on.run([&]() -> task<> {
        interval every(10ms, policy);
        ticks got(on, every);
        for (int n = 0; n < 1000; ++n) {
            co_await got.one();
            co_await bight::sleep_for(duration(n % 7 * 1'000'003));
        }
        for (int n = 0; n < 1000; ++n) {
            if (std::get<0>(got.all[static_cast<std::size_t>(n)]) != n * 10ms) FAIL("tick " << n);
        }
    });
}

TEST_CASE("a period that is not positive is refused") {
    CHECK_THROWS_AS(interval(0s), std::invalid_argument);
    CHECK_THROWS_AS(interval(-1ns), std::invalid_argument);
    CHECK_THROWS_AS(interval(time_point(), 0s), std::invalid_argument);
    CHECK_THROWS_AS(interval(duration::min()), std::invalid_argument);
}

TEST_CASE("cancelling a wait for a tick changes nothing") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        interval every(10ms);
        co_await every.tick();
        for (int n = 0; n < 3; ++n) {
            const auto none = co_await bight::try_with_timeout(every.tick(), 3ms);
            CHECK_FALSE(none);
        }
        const auto tick = co_await every.tick();
        CHECK(on.elapsed() == 10ms);
        CHECK(tick.missed == 0);
    });
}

TEST_CASE("a tick that comes at the deadline of its wait is given, not lost") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        interval every(10ms);
        co_await every.tick();
        const auto tick = co_await bight::try_with_timeout(every.tick(), 10ms);
        const auto next = co_await every.tick();
        CHECK(on.elapsed() == (tick ? 20ms : 10ms));
        CHECK(next.missed == 0);
    });
}

TEST_CASE("reset begins anew a period from now, or at the time given, for a task that waits already too") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        interval every(10ms);
        ticks got(on, every);
        co_await got.one();
        co_await bight::sleep_for(4ms);
        every.reset();
        co_await got.one();
        CHECK(std::get<1>(got.all.back()) == 14ms);
        every.reset(on.time.now());
        co_await got.one();
        CHECK(std::get<1>(got.all.back()) == 14ms);

        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { co_await got.one(); });
            co_await bight::sleep_for(5ms);
            every.reset();
            co_await bight::sleep_for(6ms);
            CHECK(got.all.size() == 3);
            every.reset(on.time.now() - 1ms);
            co_await bight::sleep_for(1ns);
            CHECK(got.all.size() == 4);
        });
    });
}

TEST_CASE(
    "an interval that is reset outside of a reactor begins a period after its first tick is asked for") {
    test::virtual_fixture on;
    interval every(10ms);
    every.reset();
    on.run([&]() -> task<> {
        co_await bight::sleep_for(5ms);
        co_await every.tick();
        CHECK(on.elapsed() == 15ms);
    });
}

TEST_CASE("a second task that waits for a tick gets busy") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        interval every(10ms);
        co_await every.tick();
        std::error_code code;
        bool ticked = false;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                co_await every.tick();
                ticked = true;
            });
            co_await bight::sleep_for(1ms);
            try {
                co_await every.tick();
            } catch (const std::system_error& e) {
                code = e.code();
            }
        });
        CHECK(code == bight::errc::busy);
        CHECK(ticked);
        CHECK(on.elapsed() == 10ms);
    });
}

TEST_CASE("a task that waits for a tick of an interval which is destroyed gets closed") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::optional<interval> every(std::in_place, 10ms);
        co_await every->tick();
        std::error_code code;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                try {
                    co_await every->tick();
                } catch (const std::system_error& e) {
                    code = e.code();
                }
            });
            co_await bight::sleep_for(1ms);
            every.reset();
            CHECK_FALSE(code);
        });
        CHECK(code == bight::errc::closed);
        CHECK(on.elapsed() == 1ms);
        CHECK(on.reactor().statistics().live_timers == 0);
    });
}

TEST_CASE("a schedule at the ends of the clock neither overflows nor spins") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        for (const auto policy : {missed_ticks::burst, missed_ticks::skip, missed_ticks::delay}) {
            interval forever(duration::max(), policy);
            co_await forever.tick();
            const auto none = co_await bight::try_with_timeout(forever.tick(), 24h * 365);
            CHECK_FALSE(none);
            interval ancient(time_point::min(), duration::max(), policy);
            const auto tick = co_await ancient.tick();
            CHECK(tick.scheduled == time_point());
            CHECK(tick.missed == 0);
            const auto none_either = co_await bight::try_with_timeout(ancient.tick(), 1h);
            CHECK_FALSE(none_either);
            interval never(time_point::max(), 1ns, policy);
            const auto nothing = co_await bight::try_with_timeout(never.tick(), 1h);
            CHECK_FALSE(nothing);
        }
        interval dense(time_point::min(), 1ns, missed_ticks::skip);
        const auto first = co_await dense.tick();
        CHECK(first.missed == static_cast<std::uint64_t>(on.time.now().time_since_epoch().count()));
    });
}

TEST_CASE("ticks that are due lets others run: they count against the budget") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        interval behind(on.time.now() - 1s, 1us, missed_ticks::burst);
        int got = 0;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                for (;;) {
                    co_await behind.tick();
                    ++got;
                }
            });
            for (int turn = 0; turn < 4; ++turn) co_await bight::yield();
            g.cancel();
        });
        CHECK(got > 0);
        CHECK(got <= 5 * static_cast<int>(bight::reactor::completion_budget + 1));
    });
}

TEST_CASE("reset between two turns of a host loop moves the task that waits") {
    bight::virtual_clock time(bight::virtual_clock::mode::manual);
    bight::reactor_options options;
    options.clock = &time;
    bight::reactor r(options);
    bight::interval every(10s, bight::missed_ticks::burst, bight::first_tick::after_a_period);
    int ticks = 0;
    auto waits = [&]() -> task<> {
        (void)co_await every.tick();
        ++ticks;
    };
    const auto run_all = [&] {
        while (r.run_once()) continue;
    };
    r.start(waits);
    run_all();
    time.advance(5s);
    every.reset();
    time.advance(9s);
    run_all();
    CHECK(ticks == 0);
    time.advance(1s);
    run_all();
    CHECK(ticks == 1);
}
