// Plain threads that wait for a reactor's tasks.
#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/thread/block_on.hpp>
#include <bight/thread/offload.hpp>

#include "support/gate.hpp"
#include "support/reactors.hpp"
#include "support/sleep_long.hpp"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using bight::block_on;
using bight::task;
using test::sleep_long;
using namespace std::chrono_literals;

namespace {

task<int> later(int v) {
    co_await bight::yield();
    co_return v;
}

// What a call threw, as text.
template <class F>
std::string thrown_by(F f) {
    try {
        f();
    } catch (const bight::run_cancelled&) {
        return "cancelled";
    } catch (const std::system_error& e) {
        if (e.code() == bight::errc::closed) return "closed";
        if (e.code() == bight::errc::wrong_thread) return "wrong thread: " + std::string(e.what());
        return e.what();
    } catch (const std::exception& e) {
        return e.what();
    }
    return "nothing";
}

}  // namespace

TEST_CASE("block_on gives the value of a task and of a function, run on the reactor's thread") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    const auto here = std::this_thread::get_id();
    std::thread other([&] {
        CHECK(block_on(r, [&]() -> task<int> {
                  co_await bight::sleep_for(1ms);
                  co_return std::this_thread::get_id() == here ? 7 : 0;
              }) == 7);
        CHECK(block_on(r, [&] { return std::this_thread::get_id() == here; }));
        CHECK(*block_on(r, [] { return std::make_unique<int>(3); }) == 3);
        CHECK(block_on(r, later(5)) == 5);
        int ran = 0;
        block_on(r, [&] { ++ran; });
        block_on(r, [&]() -> task<> {
            ++ran;
            co_return;
        });
        CHECK(ran == 2);
        r.stop();
    });
    CHECK_THROWS_AS(on.run(sleep_long()), bight::run_cancelled);
    other.join();
}

TEST_CASE("block_on throws what the task or the function threw") {
    test::reactor_fixture on(bight::demultiplexer_kind::automatic);
    bight::reactor& r = on.reactor();
    std::string task_threw;
    std::string function_threw;
    std::thread other([&] {
        task_threw = thrown_by([&] {
            block_on(r, [&]() -> task<> {
                co_await bight::yield();
                throw std::runtime_error("from the task");
            });
        });
        function_threw =
            thrown_by([&] { block_on(r, [&] { throw std::runtime_error("from the function"); }); });
        r.stop();
    });
    CHECK_THROWS_AS(on.run(sleep_long()), bight::run_cancelled);
    other.join();
    CHECK(task_threw == "from the task");
    CHECK(function_threw == "from the function");
}

TEST_CASE("block_on on the reactor's own thread is refused, and says what to write") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        const auto own = thrown_by([&] { block_on(on.reactor(), [] {}); });
        CHECK(own.starts_with("wrong thread"));
        CHECK(own.find("co_await the task instead") != std::string::npos);
        bight::reactor another;
        const auto other = thrown_by([&] { block_on(another, [] {}); });
        CHECK(other.starts_with("wrong thread"));
        CHECK(other.find("concurrent_channel") != std::string::npos);
        co_return;
    });
}

TEST_CASE("a call made before the reactor runs is answered when it does") {
    test::reactor_fixture on(bight::demultiplexer_kind::automatic);
    bight::reactor& r = on.reactor();
    std::atomic<bool> answered{false};
    std::thread other([&] {
        answered = block_on(r, [] { return true; });
        r.stop();
    });
    std::this_thread::yield();
    CHECK_FALSE(answered);
    CHECK_THROWS_AS(on.run(sleep_long()), bight::run_cancelled);
    other.join();
    CHECK(answered);
}

TEST_CASE("a task of block_on that still waits when the run ends is cancelled, and nobody stays blocked") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    std::string seen;
    std::atomic<bool> began{false};
    std::thread other([&] {
        seen = thrown_by([&] {
            block_on(r, [&]() -> task<> {
                began = true;
                co_await bight::sleep_for(1h);
            });
        });
    });
    on.run([&]() -> task<> {
        while (!began) co_await bight::sleep_for(1ms);
    });
    other.join();  // before the reactor is destroyed
    CHECK(seen == "cancelled");
}

TEST_CASE("stop cancels the tasks of block_on") {
    test::reactor_fixture on(bight::demultiplexer_kind::automatic);
    bight::reactor& r = on.reactor();
    std::string seen;
    std::thread other([&] {
        seen = thrown_by([&] {
            block_on(r, [&]() -> task<> {
                r.stop();
                co_await bight::sleep_for(1h);
            });
        });
    });
    CHECK_THROWS_AS(on.run(sleep_long()), bight::run_cancelled);
    other.join();
    CHECK(seen == "cancelled");
}

TEST_CASE("a reactor that has stopped refuses, and answers again when it runs again") {
    test::reactor_fixture on(bight::demultiplexer_kind::automatic);
    bight::reactor& r = on.reactor();
    on.run([]() -> task<> { co_return; });
    std::thread refused([&] { CHECK(thrown_by([&] { block_on(r, [] {}); }) == "closed"); });
    refused.join();
    std::atomic<int> got{0};
    std::thread asks;
    on.run([&]() -> task<> {
        asks = std::thread([&] { got = block_on(r, [] { return 4; }); });
        while (got == 0) co_await bight::sleep_for(1ms);
    });
    asks.join();
    CHECK(got == 4);
}

TEST_CASE("a reactor that is destroyed without having run lets the blocked thread go, with an error") {
    std::string seen;
    std::thread other;
    {
        test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
        bight::reactor& r = on.reactor();
        std::atomic<bool> about{false};
        other = std::thread([&] {
            about = true;
            seen = thrown_by([&] { block_on(r, [] {}); });
        });
        while (!about) std::this_thread::yield();
        std::this_thread::sleep_for(5ms);  // it must have called: that is the caller's part
    }
    other.join();
    CHECK(seen == "closed");
}

TEST_CASE("a reactor that is destroyed with a task of block_on in it cancels the task") {
    std::string seen;
    std::thread other;
    {
        test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
        bight::reactor& r = on.reactor();
        std::atomic<bool> began{false};
        other = std::thread([&] {
            seen = thrown_by([&] {
                block_on(r, [&]() -> task<> {
                    began = true;
                    co_await bight::sleep_for(1h);
                });
            });
        });
        while (!began) r.run_once(1ms);
    }
    other.join();
    CHECK(seen == "cancelled");
}

TEST_CASE("many threads block on one reactor at once, and each gets its own answer") {
    test::reactor_fixture on(bight::demultiplexer_kind::automatic);
    bight::reactor& r = on.reactor();
    constexpr int threads = 4;
    std::atomic<int> wrong{0};
    std::atomic<int> left{threads};
    std::vector<std::thread> others;
    for (int t = 0; t < threads; ++t) {
        others.emplace_back([&, t] {
            for (int i = 0; i < 300; ++i) {
                const int v = t * 1000 + i;
                const int got = block_on(r, [v]() -> task<int> {
                    co_await bight::yield();
                    co_return v;
                });
                if (got != v) ++wrong;
            }
            if (--left == 0) r.stop();
        });
    }
    CHECK_THROWS_AS(on.run(sleep_long()), bight::run_cancelled);
    for (auto& t : others) t.join();
    CHECK(wrong == 0);
}

TEST_CASE("threads that call while the reactor stops get an answer or an error, never nothing") {
    for (int round = 0; round < 100; ++round) {
        bight::reactor r;
        std::atomic<int> ended{0};
        std::vector<std::thread> others;
        for (int t = 0; t < 3; ++t) {
            others.emplace_back([&] {
                const auto seen = thrown_by([&] {
                    for (;;) block_on(r, []() -> task<> { co_await bight::yield(); });
                });
                if (seen == "closed" || seen == "cancelled") ++ended;
            });
        }
        auto main = [&]() -> task<> {
            for (int i = 0; i < round; ++i) co_await bight::yield();
        };
        r.run(main());
        for (auto& t : others) t.join();
        CHECK(ended == 3);
    }
}

TEST_CASE("the thread of a host loop is refused between two turns, and gets errc::closed after a run") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bight::reactor& r = on.reactor();
    auto waits = []() -> task<> { co_await bight::sleep_for(1ms); };
    r.start(waits);
    r.run_once();
    const auto said = thrown_by([&] { block_on(r, [] {}); });
    CHECK(said.starts_with("wrong thread"));
    CHECK(said.find("run_once") != std::string::npos);
    on.run([]() -> task<> { co_await bight::sleep_for(2ms); });
    CHECK(thrown_by([&] { block_on(r, [] {}); }) == "closed");
}

TEST_CASE("a destructor that waits for a call of block_on while the run ends is not waited for by it") {
    struct farewell {
        farewell(bight::reactor& r, std::string& said) : reactor(&r), text(&said) {}
        farewell(farewell&& other) noexcept
            : reactor(std::exchange(other.reactor, nullptr)), text(other.text) {}
        ~farewell() {
            if (!reactor) return;
            std::thread([this] { *text = thrown_by([this] { block_on(*reactor, [] {}); }); }).join();
        }
        bight::reactor* reactor;
        std::string* text;
    };
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    // Before the pool, which waits for its job: that is given up, and may still stand at the gate.
    test::gate g;
    std::string farewell_said;
    std::string call_said;
    bight::thread_pool pool({.max_threads = 1});
    bight::offload_options options;
    options.pool = &pool;
    options.abandon_on_cancel = true;
    std::thread other;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& scope) -> task<> {
            scope.spawn([&]() -> task<> { co_await bight::offload([&] { g.pass(); }, options); });
            co_await bight::yield();
            g.await();
            other = std::thread([&] {
                call_said = thrown_by([&] {
                    block_on(r, [&]() -> task<> {
                        auto job = [f = farewell(r, farewell_said)] { (void)f; };
                        co_await bight::offload(std::move(job), options);
                    });
                });
            });
            while (pool.statistics().queued == 0) co_await bight::sleep_for(1ms);
            scope.cancel();
        });
    });
    g.open();
    other.join();
    CHECK(farewell_said == "closed");
    CHECK(call_said == "cancelled");
}

TEST_CASE("a reactor of real-time priority leaves the processor to the thread whose call it waits for") {
    const auto on_one_processor = [] {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
        ::sched_setaffinity(0, sizeof one, &one);
    };
    cpu_set_t before;
    REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
    on_one_processor();  // the thread that is started next is on the same one
    std::promise<bight::reactor*> made;
    std::promise<void> stopped;
    bool allowed = false;
    bight::duration used{};
    const auto used_so_far = []() -> bight::duration {
        timespec t{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
    };
    std::thread other([&] {
        bight::reactor r;
        const bight::duration to_make_it = used_so_far();
        sched_param priority{};
        priority.sched_priority = 1;
        allowed = ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &priority) == 0;
        made.set_value(&r);
        CHECK_THROWS_AS(r.run(sleep_long()), bight::run_cancelled);
        used = used_so_far() - to_make_it;
        stopped.get_future().wait();  // the reactor outlives the call
    });
    bight::reactor& r = *made.get_future().get();
    const auto began = bight::clock::now();
    for (int i = 0; i < 100 && allowed; ++i) block_on(r, [] {});
    const bight::duration took = bight::clock::now() - began;
    r.stop();
    stopped.set_value();
    other.join();
    ::sched_setaffinity(0, sizeof before, &before);
    if (!allowed) test::skip("this process may not have real-time priority");
    CHECK(used < took - took / 8);  // spinning, it has what the kernel gives to real-time threads: 95 %
}
