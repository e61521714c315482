// A limit on a rate.
#include <bight/sync/token_bucket.hpp>

#include <bight/core/group.hpp>
#include <bight/core/now.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>

#include "support/cancellable.hpp"
#include "support/death.hpp"
#include "support/each_reactor.hpp"
#include "support/reactors.hpp"
#include "support/thread_sanitizer.hpp"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using bight::task;
using bight::token_bucket;
using namespace std::chrono_literals;

namespace {

struct taker {
    token_bucket& from;
    bight::time_point begun = bight::now();
    std::vector<std::pair<std::string, bight::duration>> seen{};

    task<> take(std::string name, std::uint32_t n) {
        co_await from.take(n);
        seen.emplace_back(std::move(name), bight::now() - begun);
    }
};

using seen = std::vector<std::pair<std::string, bight::duration>>;

}  // namespace

TEST_CASE("a bucket begins full, and then gives its rate") {
    test::on_each_in_virtual_time([]() -> task<> {
        token_bucket bucket(10, 1s, 3);
        CHECK(bucket.available() == 3);
        CHECK(bucket.burst() == 3);
        const auto begun = bight::now();
        std::vector<bight::duration> times;
        for (int i = 0; i < 6; ++i) {
            co_await bucket.take();
            times.push_back(bight::now() - begun);
        }
        CHECK(times == std::vector<bight::duration>{0ms, 0ms, 0ms, 100ms, 200ms, 300ms});
        co_await bight::sleep_for(250ms);
        CHECK(bucket.available() == 2);
        co_await bight::sleep_for(1h);
        CHECK(bucket.available() == 3);
        CHECK(bight::reactor::current()->statistics().live_timers == 0);
    });
}

TEST_CASE("no fraction of a token is lost, at any rate") {
    test::on_each_in_virtual_time([]() -> task<> {
        token_bucket thirds(3, 1s, 1);
        const auto begun = bight::now();
        for (int i = 0; i <= 3000; ++i) co_await thirds.take();
        CHECK(bight::now() - begun == 1000s);
        token_bucket slow(1, 240h, 1);
        co_await slow.take();
        const auto since = bight::now();
        co_await slow.take();
        CHECK(bight::now() - since == 240h);
        // Looked at in between, as often as anybody likes.
        token_bucket looked_at(3, 1s, 1);
        co_await looked_at.take();
        const auto from = bight::now();
        while (!looked_at.try_take()) co_await bight::sleep_for(7ms);
        CHECK(bight::now() - from == 336ms);
        token_bucket fast(4'000'000'000, 1ns, 4'000'000'000);
        co_await fast.take(4'000'000'000);
        const auto now = bight::now();
        co_await fast.take(4'000'000'000);
        CHECK(bight::now() - now == 1ns);
    });
}

TEST_CASE("requests are met in their order, and a small one never overtakes a large one") {
    test::on_each_in_virtual_time([]() -> task<> {
        token_bucket bucket(1, 1s, 10);
        taker all{bucket};
        CHECK(bucket.try_take(10));
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(&taker::take, &all, "one", 1);
            g.spawn(&taker::take, &all, "large", 5);
            g.spawn(&taker::take, &all, "small", 1);
            co_await bight::sleep_for(3s);
            CHECK(bucket.available() == 2);
            CHECK_FALSE(bucket.try_take());  // somebody waits
        });
        CHECK(all.seen == seen{{"one", 1s}, {"large", 6s}, {"small", 7s}});
        CHECK_FALSE(bucket.try_take());
        CHECK(bight::reactor::current()->statistics().live_timers == 0);
    });
}

TEST_CASE("a cancelled request takes nothing, and those behind it move up at once") {
    test::on_each_in_virtual_time([]() -> task<> {
        token_bucket bucket(1, 1s, 10);
        CHECK(bucket.try_take(10));
        taker all{bucket};
        test::cancellable first;
        test::cancellable second;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(first.run(all.take("large", 8)));
            co_await bight::yield();
            co_await bight::yield();
            g.spawn(second.run(all.take("in the middle", 1)));
            co_await bight::yield();
            co_await bight::yield();
            g.spawn(&taker::take, &all, "three", 3);
            co_await bight::sleep_for(1s);
            second.cancel();
            co_await bight::sleep_for(1500ms);
            first.cancel();  // two tokens and a half are there
            co_await bight::sleep_for(1s);
        });
        CHECK_FALSE(first.ended());
        CHECK_FALSE(second.ended());
        CHECK(all.seen == seen{{"three", 3s}});
        const bool late = co_await bight::try_with_timeout(bucket.take(), 100ms);
        CHECK_FALSE(late);
        CHECK(bight::reactor::current()->statistics().live_timers == 0);
    });
}

TEST_CASE("a first request that is cancelled lets a smaller one go at once") {
    test::on_each_in_virtual_time([]() -> task<> {
        token_bucket bucket(1, 1s, 10);
        CHECK(bucket.try_take(10));
        taker all{bucket};
        test::cancellable first;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(first.run(all.take("large", 8)));
            co_await bight::sleep_for(1ms);
            g.spawn(&taker::take, &all, "two", 2);
            co_await bight::sleep_for(4s);
            first.cancel();
        });
        CHECK(all.seen == seen{{"two", 4001ms}});
        CHECK(bucket.available() == 2);
    });
}

TEST_CASE("a new rate counts from now on: what has come stays, and who waits waits for the rest at it") {
    test::on_each_in_virtual_time([]() -> task<> {
        token_bucket bucket(1, 1s, 10);
        CHECK(bucket.try_take(10));
        taker all{bucket};
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(&taker::take, &all, "four", 4);
            g.spawn(&taker::take, &all, "one", 1);
            co_await bight::sleep_for(2500ms);
            bucket.set_rate(10, 1s);  // two and a half are there
            co_await bight::sleep_for(100ms);
            bucket.set_rate(1, 10s);  // and now three and a half
        });
        CHECK(all.seen == seen{{"four", 7600ms}, {"one", 17600ms}});
        bucket.set_rate(1000, 1s);
        co_await bight::sleep_for(1s);
        CHECK(bucket.available() == 10);
        // The largest numbers there are.
        token_bucket large(4'000'000'000, bight::duration::max(), 4'000'000'000);
        CHECK(large.try_take(1'000'000'000));
        large.set_rate(1, 1ns);
        CHECK(large.available() == 3'000'000'000);
        large.set_rate(4'000'000'000, bight::duration::max());
        CHECK(large.available() == 3'000'000'000);
        CHECK(bight::reactor::current()->statistics().live_timers == 0);
    });
}

TEST_CASE(
    "tokens that are given back go to those who wait, in their order, and no more than the burst stay") {
    test::on_each_in_virtual_time([]() -> task<> {
        token_bucket bucket(1, 1h, 3);
        CHECK(bucket.try_take(3));
        taker all{bucket};
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(&taker::take, &all, "two", 2);
            g.spawn(&taker::take, &all, "one", 1);
            co_await bight::sleep_for(1s);
            bucket.give_back();
            co_await bight::sleep_for(1s);
            CHECK(all.seen.empty());
            bucket.give_back(2);
            CHECK(all.seen.empty());  // they go on in the next turn
        });
        CHECK(all.seen == seen{{"two", 2s}, {"one", 2s}});
        CHECK(bucket.available() == 0);
        bucket.give_back(4'000'000'000);
        CHECK(bucket.available() == 3);
        CHECK(bight::reactor::current()->statistics().live_timers == 0);
    });
}

TEST_CASE("a bucket tells how many wait, so that the next may be refused") {
    test::on_each_in_virtual_time([]() -> task<> {
        token_bucket bucket(1, 1s, 1);
        CHECK(bucket.try_take());
        CHECK(bucket.waiting() == 0);
        taker all{bucket};
        test::cancellable second;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(&taker::take, &all, "one", 1);
            g.spawn(second.run(all.take("two", 1)));
            g.spawn(&taker::take, &all, "three", 1);
            co_await bight::sleep_for(1ms);
            CHECK(bucket.waiting() == 3);
            second.cancel();
            CHECK(bucket.waiting() == 2);
            co_await bight::sleep_for(1s);
            CHECK(bucket.waiting() == 1);
        });
        CHECK(bucket.waiting() == 0);
    });
}

TEST_CASE("a bucket refuses what could never be") {
    CHECK_THROWS_AS(token_bucket(0, 1s, 1), std::invalid_argument);
    CHECK_THROWS_AS(token_bucket(1, 0s, 1), std::invalid_argument);
    CHECK_THROWS_AS(token_bucket(1, -1s, 1), std::invalid_argument);
    CHECK_THROWS_AS(token_bucket(1, 1s, 0), std::invalid_argument);
    token_bucket bucket(1, 1s, 2);
    CHECK_THROWS_WITH(bucket.take(3), Catch::Contains("3 tokens") && Catch::Contains("holds 2"));
    // No reactor, no clock: the line is the caller's.
    CHECK_THROWS_WITH(bucket.try_take(),
                      Catch::Contains("token_bucket_test.cpp:") && Catch::Contains("token_bucket::try_take"));
    CHECK_THROWS_WITH(bucket.available(), Catch::Contains("token_bucket_test.cpp:"));
    CHECK_THROWS_WITH(bucket.give_back(), Catch::Contains("token_bucket_test.cpp:"));
    CHECK_THROWS_WITH(bucket.set_rate(1, 1s), Catch::Contains("token_bucket_test.cpp:"));
    CHECK_THROWS_AS(bucket.set_rate(0, 1s), std::invalid_argument);
    CHECK_THROWS_AS(bucket.set_rate(1, 0s), std::invalid_argument);
    test::virtual_fixture().run([&]() -> task<> {
        CHECK_FALSE(bucket.try_take(3));
        CHECK(bucket.try_take(2));
        co_return;
    });
}

TEST_CASE("a bucket that is destroyed while a task waits ends the process") {
    const std::string said = test::dying_words([] {
        bight::reactor r;
        auto bucket = std::make_unique<token_bucket>(1, 1h, 1);
        auto waits = [&]() -> task<> { co_await bucket->take(); };
        auto drops = [&]() -> task<> {
            CHECK(bucket->try_take());
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn(waits);
                co_await bight::yield();
                co_await bight::yield();
                bucket.reset();
            });
        };
        r.run(drops());
    });
    CHECK_THAT(said, Catch::Contains("a token_bucket"));
}

#ifndef NDEBUG
TEST_CASE("who looks into a bucket of another reactor's thread ends the program") {
    if (!test::forked_children_have_threads) test::skip("ThreadSanitizer: no threads in a forked child");
    const std::string said = test::dying_words([] {
        token_bucket bucket(10, 1s, 3);
        bight::reactor r;
        r.run([&]() -> task<> {
            (void)bucket.try_take();
            co_return;
        }());
        std::thread([&] {
            bight::reactor other;
            other.run([&]() -> task<> {
                (void)bucket.available();
                co_return;
            }());
        }).join();
    });
    CHECK_THAT(said, Catch::Contains("a token_bucket was used from another thread"));
}
#endif
