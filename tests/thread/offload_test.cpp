// Blocking calls on other threads: results, errors, cancellation, limits, deadlines, and the reactor's end.
#include <bight/core/finally.hpp>
#include <bight/core/group.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/thread/offload.hpp>

#include "support/gate.hpp"
#include "support/pools.hpp"
#include "support/reactors.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
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

namespace {

thread_pool& pool_of(unsigned threads) {
    static thread_pool one({.max_threads = 1});
    static thread_pool two({.max_threads = 2});
    return threads == 1 ? one : two;
}

task<> pass(gate& g, thread_pool& pool) {
    co_await offload([&] { g.pass(); }, on_pool(pool));
}

// Waits on this thread until the pool has nothing left to do.
void await_quiet(thread_pool& pool) {
    for (;;) {
        const auto s = pool.statistics();
        if (s.running == 0 && s.queued == 0) return;
        std::this_thread::yield();
    }
}

}  // namespace

TEST_CASE("offload runs the callable on another thread and gives its result") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        const auto here = std::this_thread::get_id();
        std::thread::id there;
        const int got = co_await offload([&] {
            there = std::this_thread::get_id();
            return 42;
        });
        CHECK(got == 42);
        CHECK(there != here);
        CHECK(there != std::thread::id());
        CHECK(std::this_thread::get_id() == here);
    });
}

TEST_CASE("results may be nothing, a reference, or a value that only moves") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        int ran = 0;
        co_await offload([&] { ++ran; });
        CHECK(ran == 1);
        int& same = co_await offload([&]() -> int& { return ran; });
        CHECK(&same == &ran);
        const auto owned = co_await offload([] { return std::make_unique<int>(3); });
        CHECK(*owned == 3);
        auto only_moves = [p = std::make_unique<int>(4)] { return *p; };
        const int through = co_await offload(std::move(only_moves));
        CHECK(through == 4);
    });
}

TEST_CASE("what the callable throws is thrown to the awaiting task") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        std::string what;
        try {
            co_await offload([] { throw std::runtime_error("from the thread"); });
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(what == "from the thread");
    });
}

TEST_CASE("nothing runs before the result is awaited, and a dropped offload never runs") {
    test::virtual_fixture on;
    bool ran = false;
    on.run([&]() -> task<> {
        auto held = std::make_shared<int>(1);
        {
            [[maybe_unused]] auto unawaited = offload([&ran, held] { ran = true; });
            CHECK(held.use_count() == 2);
        }
        CHECK(held.use_count() == 1);
        co_return;
    });
    CHECK_FALSE(ran);
}

TEST_CASE("the reactor ticks while jobs run") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        gate g;
        int ticks = 0;
        auto ticking = [&]() -> task<> {
            for (; ticks < 100; ++ticks) co_await bight::yield();
            co_await bight::sleep_for(1ms);
            g.open();  // not before the ticks: the job ends only because the reactor went on
        };
        auto blocked = [&]() -> task<> { co_await offload([&] { g.pass(); }); };
        co_await bight::when_all(blocked(), ticking());
        CHECK(ticks == 100);
    });
}

TEST_CASE("callables and what they captured are gone before the task goes on") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        auto held = std::make_shared<int>(1);
        std::thread::id destroyed_on;
        struct witness {
            std::thread::id* on;
            explicit witness(std::thread::id* where) : on(where) {}
            witness(witness&& other) noexcept : on(std::exchange(other.on, nullptr)) {}
            ~witness() {
                if (on) *on = std::this_thread::get_id();
            }
        };
        auto job = [held, w = witness(&destroyed_on)] { return std::this_thread::get_id(); };
        const auto ran_on = co_await offload(std::move(job));
        CHECK(held.use_count() == 1);
        CHECK(destroyed_on == ran_on);
    });
}

TEST_CASE("an idle thread holds on to nothing of the job it ran") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        auto held = std::make_shared<int>(1);
        {
            auto job = [held] { return held; };
            const auto got = co_await offload(std::move(job));
            CHECK(held.use_count() == 2);
        }
        CHECK(held.use_count() == 1);
        auto throws = [held] { throw std::shared_ptr<int>(held); };
        try {
            co_await offload(std::move(throws));
        } catch (const std::shared_ptr<int>&) {
        }
        CHECK(held.use_count() == 1);
    });
}

TEST_CASE("jobs begin in the order in which they were awaited") {
    test::virtual_fixture on;
    thread_pool& pool = pool_of(1);
    std::vector<int> order;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 20; ++i) {
                g.spawn([&, i]() -> task<> { co_await offload([&] { order.push_back(i); }, on_pool(pool)); });
            }
            co_return;
        });
    });
    std::vector<int> expected;
    for (int i = 0; i < 20; ++i) expected.push_back(i);
    CHECK(order == expected);
}

TEST_CASE("cancelling takes a job that has not begun out of the queue, wherever it stands") {
    test::virtual_fixture on;
    thread_pool& pool = pool_of(1);
    const int cancelled = GENERATE(0, 1, 2);
    std::vector<int> ran;
    on.run([&]() -> task<> {
        gate g;
        auto held = std::make_shared<int>(1);
        auto blocker = [&]() -> task<> { co_await offload([&] { g.pass(); }, on_pool(pool)); };
        auto queued = [&](int i) -> task<> {
            auto job = [&ran, i, held] { ran.push_back(i); };
            co_await offload(std::move(job), on_pool(pool));
        };
        auto one = [&](int i) -> task<> {
            bool done = true;
            if (i == cancelled) {
                co_await bight::with_group([&](bight::group& inner) -> task<> {
                    inner.spawn([&]() -> task<> {
                        co_await queued(i);
                        done = true;
                    });
                    done = false;
                    for (int n = 0; n < 5; ++n) co_await bight::yield();
                    inner.cancel();
                });
                CHECK_FALSE(done);
                CHECK(pool.statistics().queued == 2);
                CHECK(held.use_count() == 3);
                g.open();
            } else {
                co_await queued(i);
            }
        };
        co_await bight::with_group([&](bight::group& all) -> task<> {
            all.spawn(blocker);
            co_await bight::yield();
            g.await();
            for (int i = 0; i < 3; ++i) all.spawn(one, i);
        });
        CHECK(held.use_count() == 1);
    });
    std::vector<int> expected;
    for (int i = 0; i < 3; ++i) {
        if (i != cancelled) expected.push_back(i);
    }
    CHECK(ran == expected);
}

TEST_CASE("a cancelled task waits for its running job, gets the result, and ends at its next await") {
    test::virtual_fixture on;
    bool got = false;
    bool went_on = false;
    on.run([&]() -> task<> {
        gate g;
        auto works = [&]() -> task<> {
            const int value = co_await offload([&] {
                g.pass();
                return 7;
            });
            got = value == 7;
            co_await bight::yield();
            went_on = true;
        };
        co_await bight::with_group([&](bight::group& scope) -> task<> {
            scope.spawn(works);
            co_await bight::yield();
            g.await();
            scope.cancel();
            CHECK_FALSE(got);
            g.open();
        });
    });
    CHECK(got);
    CHECK_FALSE(went_on);
}

TEST_CASE("the error of a job whose task was cancelled meanwhile is not lost") {
    test::virtual_fixture on;
    std::string what;
    on.run([&]() -> task<> {
        gate g;
        auto body = [&](bight::group& scope) -> task<> {
            scope.spawn([&]() -> task<> {
                co_await offload([&] {
                    g.pass();
                    throw std::runtime_error("broken meanwhile");
                });
            });
            co_await bight::yield();
            g.await();
            scope.cancel();
            g.open();
        };
        try {
            co_await bight::with_group(body);
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
    });
    CHECK(what == "broken meanwhile");
}

TEST_CASE("with_timeout around a job that runs ends with the job, and its result wins") {
    bight::virtual_clock time(bight::virtual_clock::mode::manual);
    bight::reactor_options options;
    options.clock = &time;
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())), options);
    on.run([&]() -> task<> {
        gate g;
        auto opens = [&]() -> task<> {
            co_await bight::yield();
            g.await();  // the job runs
            time.advance(1s);
            for (int i = 0; i < 5; ++i) co_await bight::yield();  // the deadline comes
            g.open();
        };
        auto limited = [&]() -> task<int> {
            auto job = offload([&] {
                g.pass();
                return 5;
            });
            co_return co_await bight::with_timeout(std::move(job), 1s);
        };
        auto [value, none] = co_await bight::when_all(limited(), opens());
        CHECK(value == 5);
    });
}

TEST_CASE("with_timeout ends the wait for a thread") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    thread_pool& pool = pool_of(1);
    bool ran = false;
    on.run([&]() -> task<> {
        gate g;
        auto blocker = [&]() -> task<> { co_await offload([&] { g.pass(); }, on_pool(pool)); };
        auto hasty = [&]() -> task<> {
            auto job = offload([&] { ran = true; }, on_pool(pool));
            std::error_code code;
            try {
                co_await bight::with_timeout(std::move(job), 1ms);
            } catch (const std::system_error& e) {
                code = e.code();
            }
            CHECK(code == bight::errc::timed_out);
            g.open();
        };
        co_await bight::when_all(blocker(), hasty());
    });
    CHECK_FALSE(ran);
}

TEST_CASE("an abandoned job goes on by itself, keeps what it captured, and its result is dropped") {
    test::virtual_fixture on;
    thread_pool pool({.max_threads = 2});
    auto held = std::make_shared<int>(1);
    gate g;
    bool resumed = false;
    on.run([&]() -> task<> {
        auto body = [&](bight::group& scope) -> task<> {
            scope.spawn([&]() -> task<> {
                auto job = [&g, held] {
                    g.pass();
                    return held;
                };
                co_await bight::offload_abandonable(std::move(job), on_pool(pool));
                resumed = true;
            });
            co_await bight::yield();
            g.await();
            scope.cancel();
        };
        co_await bight::with_group(body);
        CHECK_FALSE(resumed);
        CHECK(pool.statistics().running == 1);
        CHECK(pool.statistics().abandoned == 1);
        CHECK(held.use_count() == 2);
    });
    on.finish();  // the reactor is gone when the job ends
    g.open();
    await_quiet(pool);
    CHECK(pool.statistics().dropped == 1);
    CHECK(pool.statistics().abandoned == 0);
    CHECK_FALSE(resumed);
    while (held.use_count() > 1) std::this_thread::yield();  // freed after it was counted
}

TEST_CASE("a job that ends before it is abandoned gives its result all the same") {
    test::virtual_fixture on;
    int got = 0;
    on.run([&]() -> task<> {
        gate done;
        co_await bight::with_group([&](bight::group& scope) -> task<> {
            scope.spawn([&]() -> task<> {
                thread_pool pool({.max_threads = 1});
                auto job = bight::offload_abandonable([] { return 9; }, on_pool(pool));
                auto wait = [&]() -> task<> { got = co_await std::move(job); };
                auto other = [&]() -> task<> {
                    while (pool.statistics().completed == 0) std::this_thread::yield();
                    scope.cancel();  // its result is on the way
                    co_return;
                };
                co_await bight::when_all(wait(), other());
            });
            co_return;
        });
    });
    CHECK(got == 9);
}

TEST_CASE("time stands still on a virtual clock while a job runs") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        gate g;
        bool slept = false;
        auto sleeper = [&]() -> task<> {
            co_await bight::sleep_for(1h);
            slept = true;
        };
        auto works = [&]() -> task<> {
            const bool early = co_await offload([&] {
                std::this_thread::sleep_for(20ms);
                return slept;
            });
            CHECK_FALSE(early);
            CHECK(on.elapsed() == 0ns);
        };
        co_await bight::when_all(sleeper(), works());
        CHECK(slept);
    });
}

TEST_CASE("a limiter lets only so many run at once, first in, first out") {
    test::virtual_fixture on;
    thread_pool pool({.max_threads = 8});
    bight::offload_limiter limiter(2, pool);
    bight::offload_options options;
    options.limiter = &limiter;
    CHECK(limiter.limit() == 2);
    std::atomic<int> now{0};
    std::atomic<int> most{0};
    std::vector<int> began(30, -1);
    std::atomic<int> count{0};
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& scope) -> task<> {
            for (int i = 0; i < 30; ++i) {
                scope.spawn([&, i]() -> task<> {
                    co_await offload(
                        [&] {
                            const int running = ++now;
                            int seen = most;
                            while (running > seen && !most.compare_exchange_weak(seen, running)) {
                            }
                            began[static_cast<std::size_t>(i)] = count++;
                            std::this_thread::yield();
                            --now;
                        },
                        options);
                });
            }
            co_return;
        });
    });
    CHECK(most <= 2);
    // When one begins, all before it have been let in, and at most one of those runs and has yet to say so.
    for (int i = 0; i < 30; ++i) CHECK(began[static_cast<std::size_t>(i)] >= i - 1);
    await_quiet(pool);
    CHECK(limiter.in_use() == 0);
    CHECK(limiter.waiting() == 0);
}

TEST_CASE("who waits for a limiter can be cancelled, and takes no place") {
    test::virtual_fixture on;
    thread_pool pool({.max_threads = 4});
    bight::offload_limiter limiter(1, pool);
    bight::offload_options options;
    options.limiter = &limiter;
    const int cancelled = GENERATE(0, 1, 2);
    std::vector<int> ran;
    on.run([&]() -> task<> {
        gate g;
        co_await bight::with_group([&](bight::group& all) -> task<> {
            all.spawn([&]() -> task<> { co_await offload([&] { g.pass(); }, options); });
            co_await bight::yield();
            g.await();
            for (int i = 0; i < 3; ++i) {
                all.spawn([&, i]() -> task<> {
                    auto job = offload([&, i] { ran.push_back(i); }, options);
                    if (i == cancelled) {
                        co_await bight::try_with_timeout(std::move(job), 0s);
                    } else {
                        co_await std::move(job);
                    }
                });
            }
            // The clock stands still while a job runs: this is a turn of a reactor on real time, too.
            for (int n = 0; n < 5; ++n) co_await bight::yield();
            on.time.advance(1s);
            for (int n = 0; n < 5; ++n) co_await bight::yield();
            co_await bight::sleep_for(0s);
            while (limiter.waiting() > 2) co_await bight::yield();
            g.open();
        });
    });
    std::vector<int> expected;
    for (int i = 0; i < 3; ++i) {
        if (i != cancelled) expected.push_back(i);
    }
    CHECK(ran == expected);
    await_quiet(pool);
    CHECK(limiter.in_use() == 0);
}

TEST_CASE("a place in a limiter is passed on when the one who has it is cancelled before it begins") {
    test::virtual_fixture on;
    thread_pool pool({.max_threads = 1});
    bight::offload_limiter limiter(1, pool);
    bight::offload_options options;
    options.limiter = &limiter;
    bool second = false;
    bool first = false;
    on.run([&]() -> task<> {
        gate g;
        auto blocker = [&]() -> task<> { co_await offload([&] { g.pass(); }, on_pool(pool)); };
        co_await bight::with_group([&](bight::group& all) -> task<> {
            all.spawn(blocker);  // has the only thread
            co_await bight::yield();
            g.await();
            co_await bight::with_group([&](bight::group& scope) -> task<> {
                scope.spawn([&]() -> task<> { co_await offload([&] { first = true; }, options); });
                co_await bight::yield();
                co_await bight::yield();
                all.spawn([&]() -> task<> { co_await offload([&] { second = true; }, options); });
                co_await bight::yield();
                co_await bight::yield();
                CHECK(limiter.waiting() == 1);
                scope.cancel();
            });
            CHECK(limiter.waiting() == 0);
            CHECK(limiter.in_use() == 1);
            g.open();
        });
    });
    CHECK_FALSE(first);
    CHECK(second);
}

TEST_CASE("stop lets running jobs end, and gives their results") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bool got = false;
    gate g;
    auto works = [&]() -> task<> {
        co_await offload([&] { g.pass(); });
        got = true;
        co_await bight::yield();
    };
    auto main = [&]() -> task<> {
        auto stops = [&]() -> task<> {
            g.await();
            on.reactor().stop();
            on.reactor().post([&] { g.open(); });
            co_return;
        };
        co_await bight::when_all(works(), stops());
    };
    CHECK_THROWS_AS(on.run(main), bight::run_cancelled);
    CHECK(got);
    CHECK(on.take_log().empty());
}

TEST_CASE("a stopping reactor waits for the deadline, then reports each job it leaves behind") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    thread_pool pool({.max_threads = 2, .shutdown_deadline = 2ms});
    gate g;
    auto held = std::make_shared<int>(1);
    auto works = [&]() -> task<> {
        auto job = [&g, held] { g.pass(); };
        co_await offload(std::move(job), on_pool(pool));
    };
    auto main = [&]() -> task<> {
        auto stops = [&]() -> task<> {
            co_await bight::yield();
            g.await(2);
            on.reactor().stop();
        };
        co_await bight::when_all(works(), works(), stops());
    };
    CHECK_THROWS_AS(on.run(main), bight::run_cancelled);
    CHECK(held.use_count() == 3);  // the jobs still have it
    CHECK(pool.statistics().abandoned == 2);
    g.open();
    await_quiet(pool);
    CHECK(pool.statistics().dropped == 2);
    std::string text;
    for (const auto& line : on.take_log()) text += line + "\n";
    CHECK(text.find("2 of its offloaded jobs") != std::string::npos);
    const auto first = text.find("offload_test.cpp:");
    REQUIRE(first != std::string::npos);
    CHECK(text.find("offload_test.cpp:", first + 1) != std::string::npos);
    while (held.use_count() > 1) std::this_thread::yield();
}

TEST_CASE("a stop that comes after the cancellation ends the wait for a job, too") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    thread_pool pool({.max_threads = 1, .shutdown_deadline = 2ms});
    gate g;
    auto main = [&]() -> task<> {
        auto body = [&](bight::group& scope) -> task<> {
            scope.spawn([&]() -> task<> { co_await offload([&] { g.pass(); }, on_pool(pool)); });
            co_await bight::yield();
            g.await();
            scope.cancel();
        };
        auto stops = [&]() -> task<> {
            while (g.arrived() == 0) co_await bight::yield();
            co_await bight::sleep_for(10ms);  // the deadline alone has not ended it
            CHECK(pool.statistics().abandoned == 0);
            on.reactor().stop();
        };
        co_await bight::when_all(bight::with_group(body), stops());
    };
    CHECK_THROWS_AS(on.run(main), bight::run_cancelled);
    CHECK(pool.statistics().abandoned == 1);
    CHECK(on.take_log().size() == 1);
    g.open();
    await_quiet(pool);
}

TEST_CASE("stop_now leaves running jobs behind at once, and says so") {
    test::virtual_fixture on;
    thread_pool pool({.max_threads = 1});
    gate g;
    auto main = [&]() -> task<> {
        auto stops = [&]() -> task<> {
            co_await bight::yield();
            g.await();
            on.reactor().stop_now();
        };
        auto works = [&]() -> task<> { co_await offload([&] { g.pass(); }, on_pool(pool)); };
        co_await bight::when_all(works(), stops());
    };
    CHECK_THROWS_AS(on.run(main), bight::run_cancelled);
    const auto log = on.take_log();
    REQUIRE(log.size() == 1);
    CHECK(log[0].find("1 of its offloaded jobs") != std::string::npos);
    g.open();
    await_quiet(pool);
}

TEST_CASE("a reactor that is destroyed leaves running jobs behind, and is not touched when they end") {
    thread_pool pool({.max_threads = 1});
    gate g;
    {
        test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
        on.reactor().start(pass(g, pool));
        while (g.arrived() == 0) on.reactor().run_once(1ms);
        on.finish();
        CHECK(on.take_log().size() == 1);
    }
    CHECK(pool.statistics().running == 1);
    g.open();
    await_quiet(pool);
    CHECK(pool.statistics().dropped == 1);
}

TEST_CASE("a task that is cancelled already offloads nothing") {
    test::virtual_fixture on;
    bool ran = false;
    on.run([&]() -> task<> {
        auto body = [&](bight::group& scope) -> task<> {
            scope.cancel();
            co_await offload([&] { ran = true; });
        };
        co_await bight::with_group(body);
    });
    CHECK_FALSE(ran);
}

TEST_CASE("the tree of tasks says that a task waits for a thread, or for its job there") {
    test::virtual_fixture on;
    thread_pool& pool = pool_of(1);
    on.run([&]() -> task<> {
        gate g;
        auto blocker = [&]() -> task<> { co_await offload([&] { g.pass(); }, on_pool(pool)); };
        auto queued = [&]() -> task<> { co_await offload([] {}, on_pool(pool)); };
        auto looks = [&]() -> task<> {
            co_await bight::yield();
            g.await();
            const std::string tree = on.reactor().dump_tasks();
            CHECK(tree.find("a job on a thread") != std::string::npos);
            CHECK(tree.find("a job that waits for a thread") != std::string::npos);
            g.open();
        };
        co_await bight::when_all(blocker(), queued(), looks());
    });
}

TEST_CASE("many jobs from several reactors through one pool each give their own result") {
    thread_pool pool({.max_threads = 4});
    std::atomic<long> sum{0};
    std::vector<std::thread> reactors;
    for (int t = 0; t < 3; ++t) {
        reactors.emplace_back([&pool, &sum, t] {
            bight::reactor r;
            auto main = [&]() -> task<> {
                co_await bight::with_group([&](bight::group& g) -> task<> {
                    for (int i = 0; i < 200; ++i) {
                        g.spawn([&, i]() -> task<> {
                            const int value = 1000 * t + i;
                            const int got = co_await offload([&] { return value; }, on_pool(pool));
                            if (got == value) sum += got;
                        });
                    }
                    co_return;
                });
            };
            r.run(main());
        });
    }
    for (auto& t : reactors) t.join();
    CHECK(sum == 3 * (199 * 200 / 2) + 200 * (1000 + 2000));
}

TEST_CASE("jobs that are cancelled while they begin, run or end are neither lost nor run twice") {
    thread_pool pool({.max_threads = 2});
    test::reactor_fixture on(bight::demultiplexer_kind::automatic);
    std::atomic<int> runs{0};
    int results = 0;
    int cancelled = 0;
    constexpr int rounds = 2000;
    on.run([&]() -> task<> {
        for (int i = 0; i < rounds; ++i) {
            bool done = false;
            co_await bight::with_group([&](bight::group& scope) -> task<> {
                scope.spawn([&]() -> task<> {
                    co_await offload([&] { ++runs; }, on_pool(pool));
                    done = true;
                });
                for (int n = 0; n < i % 7; ++n) co_await bight::yield();
                scope.cancel();
            });
            ++(done ? results : cancelled);
        }
    });
    CHECK(results + cancelled == rounds);
    CHECK(runs == results);
}

TEST_CASE("a cancelled task that waits for its job does not keep the reactor awake, whatever the deadline") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    const bight::duration deadline = GENERATE(as<bight::duration>(), 0s, 1ns, 1h);
    thread_pool pool({.max_threads = 1, .shutdown_deadline = deadline});
    gate g;
    std::uint64_t polls = 0;
    constexpr int naps = 5;
    on.run([&]() -> task<> {
        auto body = [&](bight::group& scope) -> task<> {
            scope.spawn(pass, std::ref(g), std::ref(pool));
            co_await bight::yield();
            g.await();
            scope.cancel();
        };
        auto looks_on = [&]() -> task<> {
            while (g.arrived() == 0) co_await bight::yield();
            co_await bight::sleep_for(1ms);
            const std::uint64_t before = on.reactor().statistics().polls;
            for (int i = 0; i < naps; ++i) co_await bight::sleep_for(1ms);
            polls = on.reactor().statistics().polls - before;
            g.open();
        };
        co_await bight::when_all(bight::with_group(body), looks_on());
    });
    CHECK(polls <= 4 * naps);  // one for each, and a few that come a little early
}

TEST_CASE("what a job that never began has captured goes with its task, not within the cancelling") {
    struct witness {
        witness(const bool& within, bool& gone) : within_(&within), gone_(&gone) {}
        witness(witness&& other) noexcept
            : within_(other.within_), gone_(std::exchange(other.gone_, nullptr)) {}
        ~witness() {
            if (!gone_) return;
            *gone_ = true;
            CHECK_FALSE(*within_);
        }
        const bool* within_;
        bool* gone_;
    };
    test::virtual_fixture on;
    thread_pool pool({.max_threads = 1});
    bool cancelling = false;
    bool gone = false;
    on.run([&]() -> task<> {
        gate g;
        auto body = [&](bight::group& scope) -> task<> {
            scope.spawn(pass, std::ref(g), std::ref(pool));
            co_await bight::yield();
            g.await();
            scope.spawn([&]() -> task<> {
                auto job = [w = witness(cancelling, gone)] { (void)w; };
                co_await offload(std::move(job), on_pool(pool));
            });
            co_await bight::yield();
            co_await bight::yield();
            CHECK(pool.statistics().queued == 1);
            cancelling = true;
            scope.cancel();
            cancelling = false;
            g.open();
        };
        co_await bight::with_group(body);
        CHECK(gone);
    });
}
