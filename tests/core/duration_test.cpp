// Durations of any size and unit.
#include <bight/bight.hpp>

#include "support/reactors.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using bight::duration;
using bight::task;
using namespace std::chrono_literals;

namespace {

using std::chrono::hours;

// The same in every unit, and whatever each has for its longest.
template <class D>
constexpr bool saturates() {
    return duration(D::max()) == duration::max() && duration(D::min()) == duration::min() &&
           duration(D::zero()) == duration::zero();
}
static_assert(saturates<std::chrono::nanoseconds>());
static_assert(saturates<std::chrono::microseconds>());
static_assert(saturates<std::chrono::milliseconds>());
static_assert(saturates<std::chrono::seconds>());
static_assert(saturates<hours>());
static_assert(saturates<std::chrono::duration<std::int64_t, std::ratio<86400 * 365>>>());
static_assert(duration(std::chrono::duration<double>::max()) == duration::max());
static_assert(duration(std::chrono::duration<float, std::ratio<3600>>(-1e30F)) == duration::min());
static_assert(duration(std::chrono::duration<std::uint64_t>::max()) == duration::max());
static_assert(duration(std::chrono::duration<double>(std::numeric_limits<double>::infinity())) ==
              duration::max());
static_assert(duration(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())) ==
              duration::zero());

// What it can hold stays what it is.
static_assert(duration(90min) == std::chrono::seconds(5400));
static_assert(duration(-3ms) == std::chrono::nanoseconds(-3'000'000));
static_assert(duration(hours(2'562'047)) == std::chrono::nanoseconds(2'562'047LL * 3'600'000'000'000));
static_assert(duration(std::chrono::duration<std::int8_t, std::ratio<60>>(-2)) == -2min);
static_assert(duration(std::chrono::duration<int, std::pico>(1999)) == std::chrono::nanoseconds(1));
static_assert(duration(std::chrono::duration<int, std::ratio<1, 3>>(4)) ==
              std::chrono::nanoseconds(1'333'333'333));
static_assert(duration(std::chrono::duration<double>(1.5)) == 1500ms);

// As options must be.
static_assert(std::is_trivially_copyable_v<duration> && std::is_trivially_destructible_v<duration>);

task<int> in_an_hour() {
    co_await bight::sleep_for(1h);
    co_return 7;
}

// Whether `t` is still at it after a year. (On a virtual clock.)
task<bool> goes_on(task<> t) {
    const auto ended = co_await bight::when_any(std::move(t), bight::sleep_for(24h * 365));
    co_return ended.index == 1;
}

}  // namespace

TEST_CASE("for ever, in hours, is for ever in all of core that takes a duration") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        auto sleep = []() -> task<> { co_await bight::sleep_for(hours::max()); };
        const bool sleeps = co_await goes_on(sleep());
        CHECK(sleeps);
        const int timed = co_await bight::with_timeout(in_an_hour(), hours::max());
        CHECK(timed == 7);
        const auto tried = co_await bight::try_with_timeout(in_an_hour(), hours::max());
        CHECK(tried == 7);

        auto tick = []() -> task<> {
            bight::interval every(hours::max(), bight::missed_ticks::burst,
                                  bight::first_tick::after_a_period);
            co_await every.tick();
        };
        const bool waits = co_await goes_on(tick());
        CHECK(waits);

        int attempts = 0;
        bight::retry_policy policy;
        policy.first_delay = policy.max_delay = hours::max();
        policy.deadline = hours::max();
        policy.spread = bight::jitter::none;
        auto fail = [&]() -> task<> {
            ++attempts;
            co_await bight::sleep_for(1h);
            throw std::runtime_error("again");
        };
        auto retry = [&]() -> task<> { co_await bight::retry(policy, fail); };
        const bool pauses = co_await goes_on(retry());
        CHECK(pauses);
        CHECK(attempts == 1);
    });
}

TEST_CASE("for ever, in hours, is the patience of shields and of cleaning up") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        bool shielded = false;
        bool cleaned = false;
        auto long_work = [](bool& done) -> task<> {
            co_await bight::sleep_for(1h);
            done = true;
        };
        auto body = [&]() -> task<> { co_await bight::shield(long_work(shielded), hours::max()); };
        co_await bight::try_with_timeout(body(), 1s);
        CHECK(shielded);
        auto with_cleanup = [&]() -> task<> {
            auto sleep = []() -> task<> { co_await bight::sleep_for(hours::max()); };
            auto clean = [&]() -> task<> { co_await long_work(cleaned); };
            co_await bight::finally(sleep(), clean, hours::max());
        };
        co_await bight::try_with_timeout(with_cleanup(), 1s);
        CHECK(cleaned);
    });
}

TEST_CASE("for ever, in hours, is the time that threads wait") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())), [] {
        bight::reactor_options options;
        options.stall_limit = hours::max();
        return options;
    }());
    on.run([&]() -> task<> {
        bight::thread_pool_options options;
        options.idle_time = options.shutdown_deadline = hours::max();
        bight::thread_pool pool(options);
        bight::offload_options where;
        where.pool = &pool;
        for (int i = 0; i < 3; ++i) {
            const int given = co_await bight::offload([] { return 7; }, where);
            CHECK(given == 7);
        }
        CHECK(pool.statistics().started <= 2);  // one that is idle stays
        CHECK(pool.statistics().threads == pool.statistics().started);
    });
    CHECK(on.take_log().empty());
}

TEST_CASE("for ever, in hours, is how long a turn may wait") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bool woken = false;
    bight::reactor& r = on.reactor();
    std::thread other([&] { r.post([&] { woken = true; }); });
    while (!woken) r.run_once(hours::max());
    other.join();
    CHECK(woken);
}

TEST_CASE("a moment is moved no further than the clock can name, in either direction") {
    using bight::saturating_add;
    using bight::time_point;
    const auto at = [](std::int64_t ns) { return time_point(std::chrono::nanoseconds(ns)); };
    for (const std::int64_t from : {std::int64_t{-5}, std::int64_t{0}, std::int64_t{5}}) {
        CAPTURE(from);
        CHECK(saturating_add(at(from), duration(7)) == at(from + 7));
        CHECK(saturating_add(at(from), duration(-7)) == at(from - 7));
    }
    CHECK(saturating_add(at(-5), duration::max()) == time_point::max() - std::chrono::nanoseconds(5));
    CHECK(saturating_add(at(5), duration::max()) == time_point::max());
    CHECK(saturating_add(at(0), duration::min()) == time_point::min());
    CHECK(saturating_add(at(-5), duration::min()) == time_point::min());
    CHECK(saturating_add(time_point::max(), duration::max()) == time_point::max());
    CHECK(saturating_add(time_point::min(), duration::min()) == time_point::min());
    CHECK(saturating_add(time_point::min(), duration::max()) == at(-1));
}
