// The pool beneath offload: its threads, its limits, its end.
#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/when_all.hpp>
#include <bight/thread/offload.hpp>
#include <bight/thread/thread_pool.hpp>

#include "support/gate.hpp"
#include "support/pools.hpp"
#include "support/reactors.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using bight::offload;
using bight::task;
using bight::thread_pool;
using namespace std::chrono_literals;
using test::gate;
using test::on_pool;

TEST_CASE("a pool starts no thread before there is a job, and no more than its limit") {
    test::virtual_fixture on;
    thread_pool pool({.max_threads = 3});
    CHECK(pool.max_threads() == 3);
    CHECK(pool.statistics().threads == 0);
    on.run([&]() -> task<> {
        gate g;
        auto job = [&]() -> task<> { co_await offload([&] { g.pass(); }, on_pool(pool)); };
        auto opens = [&]() -> task<> {
            co_await bight::yield();
            g.await(3);
            const auto s = pool.statistics();
            CHECK(s.threads == 3);
            CHECK(s.running == 3);
            CHECK(s.queued == 2);
            g.open();
        };
        co_await bight::when_all(job(), job(), job(), job(), job(), opens());
    });
    CHECK(pool.statistics().started == 3);
    CHECK(pool.statistics().completed == 5);
}

TEST_CASE("an idle thread is used again before another is started") {
    test::virtual_fixture on;
    thread_pool pool({.max_threads = 8});
    on.run([&]() -> task<> {
        for (int i = 0; i < 20; ++i) {
            while (i > 0 && pool.statistics().idle == 0) std::this_thread::yield();
            co_await offload([] {}, on_pool(pool));
        }
    });
    CHECK(pool.statistics().started == 1);
}

TEST_CASE("threads that stay idle end, and come back when there is work") {
    test::virtual_fixture on;
    thread_pool pool({.max_threads = 2, .idle_time = 1ms});
    on.run([&]() -> task<> {
        co_await offload([] {}, on_pool(pool));
        while (pool.statistics().threads > 0) std::this_thread::yield();
        const int again = co_await offload([] { return 2; }, on_pool(pool));
        CHECK(again == 2);
    });
    CHECK(pool.statistics().started == 2);
}

TEST_CASE("a pool without a limit of its own takes one from the number of processors") {
    thread_pool pool;
    CHECK(pool.max_threads() >= 4);
    CHECK(pool.max_threads() <= 32);
    CHECK(&thread_pool::shared() == &thread_pool::shared());
}

TEST_CASE("a pool's destructor waits for running jobs") {
    test::virtual_fixture on;
    std::atomic<bool> ended{false};
    std::atomic<bool> began{false};
    on.run([&]() -> task<> {
        auto pool = std::make_unique<thread_pool>(bight::thread_pool_options{.max_threads = 1});
        auto works = [&]() -> task<> {
            co_await offload(
                [&] {
                    began = true;
                    std::this_thread::sleep_for(5ms);
                    ended = true;
                },
                on_pool(*pool));
        };
        auto destroys = [&]() -> task<> {
            co_await bight::yield();
            while (!began) std::this_thread::yield();
            pool.reset();
            CHECK(ended);
        };
        co_await bight::when_all(works(), destroys());
    });
    CHECK(on.take_log().empty());
}

TEST_CASE("a pool that is destroyed fails the jobs that have not begun, with errc::closed") {
    test::virtual_fixture on;
    int closed = 0;
    bool ran = false;
    on.run([&]() -> task<> {
        auto pool = std::make_unique<thread_pool>(bight::thread_pool_options{.max_threads = 1});
        bight::offload_limiter limiter(1, *pool);
        bight::offload_options limited;
        limited.limiter = &limiter;
        gate g;
        auto blocker = [&]() -> task<> { co_await offload([&] { g.pass(); }, limited); };
        auto queued = [&](bight::offload_options options) -> task<> {
            try {
                co_await offload([&] { ran = true; }, options);
            } catch (const std::system_error& e) {
                if (e.code() == bight::errc::closed) ++closed;
            }
        };
        auto destroys = [&]() -> task<> {
            co_await bight::yield();
            g.await();
            CHECK(pool->statistics().queued == 1);
            CHECK(limiter.waiting() == 1);
            std::thread opens([&] {
                while (limiter.waiting() > 0) std::this_thread::yield();  // until the destructor is at work
                g.open();
            });
            pool.reset();
            opens.join();
        };
        co_await bight::when_all(blocker(), queued(on_pool(*pool)), queued(limited), destroys());
        // A limiter outlives its pool, and lets nothing in any more.
        co_await queued(limited);
    });
    CHECK(closed == 3);
    CHECK_FALSE(ran);
}

TEST_CASE("a pool's destructor gives up at its deadline and reports what it leaves, with the lines") {
    test::virtual_fixture on;
    gate g;
    auto held = std::make_shared<int>(1);
    int got = 0;
    on.run([&]() -> task<> {
        auto pool = std::make_unique<thread_pool>(
            bight::thread_pool_options{.max_threads = 2, .shutdown_deadline = 1ms});
        auto works = [&]() -> task<> {
            auto job = [&g, held] {
                g.pass();
                return 1;
            };
            got += co_await offload(std::move(job), on_pool(*pool));
        };
        auto destroys = [&]() -> task<> {
            co_await bight::yield();
            g.await(2);
            pool.reset();
            const auto log = on.take_log();
            CHECK(log.size() == 1);
            CHECK(log.at(0).find("2 of its jobs") != std::string::npos);
            CHECK(log.at(0).find("thread_pool_test.cpp:") != std::string::npos);
            CHECK(held.use_count() == 3);
            g.open();
        };
        co_await bight::when_all(works(), works(), destroys());
    });
    CHECK(got == 2);  // who waited for them got their results
    CHECK(held.use_count() == 1);
}

TEST_CASE("a pool whose last reference goes on one of its own threads waits for the others, not for itself") {
    enum class where { in_the_job, with_its_callable, with_a_result_that_nobody_wants };
    const auto last =
        GENERATE(where::in_the_job, where::with_its_callable, where::with_a_result_that_nobody_wants);
    CAPTURE(static_cast<int>(last));
    test::virtual_fixture on;
    std::atomic<bool> other_began{false};
    std::atomic<bool> other_ended{false};
    std::atomic<bool> gone{false};
    gate abandoned;
    on.run([&]() -> task<> {
        // Says when the destructor has returned.
        std::shared_ptr<thread_pool> pool(new thread_pool({.max_threads = 2, .shutdown_deadline = 1h}),
                                          [&](thread_pool* p) {
                                              delete p;
                                              CHECK(other_ended);
                                              gone = true;
                                          });
        thread_pool& it = *pool;
        auto other = [&]() -> task<> {
            co_await offload(
                [&] {
                    other_began = true;
                    if (last == where::with_a_result_that_nobody_wants) abandoned.pass();
                    std::this_thread::sleep_for(5ms);
                    other_ended = true;
                },
                on_pool(it));
        };
        auto lets_go = [&]() -> task<> {
            auto job = [&, held = std::move(pool)]() mutable {
                while (!other_began) std::this_thread::yield();
                if (last == where::in_the_job) held.reset();
                if (last == where::with_a_result_that_nobody_wants) abandoned.pass();
                return last == where::with_a_result_that_nobody_wants ? std::move(held) : nullptr;
            };
            if (last != where::with_a_result_that_nobody_wants) {
                (void)co_await offload(std::move(job), on_pool(it));
                co_return;
            }
            auto cancelled = [&](bight::group& g) -> task<> {
                g.spawn([&, job = std::move(job)]() mutable -> task<> {
                    (void)co_await bight::offload_abandonable(std::move(job), on_pool(it));
                });
                co_await bight::yield();
                abandoned.await(2);
                g.cancel();
            };
            co_await bight::with_group(cancelled);
            abandoned.open();
        };
        co_await bight::when_all(other(), lets_go());
    });
    while (!gone) std::this_thread::yield();
    CHECK(on.take_log().empty());
}

TEST_CASE("a job that destroys its own pool is not among those which the pool leaves behind") {
    test::virtual_fixture on;
    gate g;
    on.run([&]() -> task<> {
        auto pool = std::make_unique<thread_pool>(
            bight::thread_pool_options{.max_threads = 2, .shutdown_deadline = 1ms});
        thread_pool& it = *pool;
        auto other = [&]() -> task<> { co_await offload([&] { g.pass(); }, on_pool(it)); };
        auto destroys = [&]() -> task<> {
            auto job = [&, held = std::move(pool)]() mutable {
                g.await();
                held.reset();
            };
            co_await offload(std::move(job), on_pool(it));
            const auto log = on.take_log();
            CHECK(log.size() == 1);
            CHECK(log.at(0).find("1 of its jobs") != std::string::npos);
            g.open();
        };
        co_await bight::when_all(other(), destroys());
    });
}
