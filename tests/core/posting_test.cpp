// Calls sent to a reactor: their order, on which thread, and that they wake it.
#include <bight/core/reactor.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>

#include "support/reactors.hpp"
#include "support/sleep_long.hpp"
#include "support/thread_count.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;
using test::sleep_long;

// Waits until thread `id` of this process sleeps in the kernel. False when it has not in a long time.
bool asleep(pid_t id) {
    const std::string file = "/proc/self/task/" + std::to_string(id) + "/stat";
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (std::chrono::steady_clock::now() < limit) {
        std::string line;
        std::ifstream in(file);
        std::getline(in, line);
        const auto name_end = line.rfind(") ");
        if (name_end != std::string::npos && line[name_end + 2] == 'S') return true;
        std::this_thread::yield();
    }
    return false;
}

}  // namespace

TEST_CASE("posted calls run on the reactor's thread, first in, first out") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    std::vector<int> order;
    std::vector<int> expected;
    bool elsewhere = false;
    const auto here = std::this_thread::get_id();
    std::thread poster([&] {
        for (int i = 0; i < 1000; ++i) {
            r.post([&, i] {
                order.push_back(i);
                if (std::this_thread::get_id() != here || !r.in_this_thread()) elsewhere = true;
            });
        }
        r.post([&] { r.stop(); });
    });
    CHECK_THROWS_AS(on.run(sleep_long()), bight::run_cancelled);
    poster.join();
    for (int i = 0; i < 1000; ++i) expected.push_back(i);
    CHECK(order == expected);
    CHECK_FALSE(elsewhere);
}

TEST_CASE("all that several threads post arrives, what each posted in its order") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    constexpr int threads = 4;
    constexpr int each = 10'000;
    std::vector<int> next(threads, 0);
    int arrived = 0;
    bool in_order = true;
    std::vector<std::thread> posters;
    for (int t = 0; t < threads; ++t) {
        posters.emplace_back([&, t] {
            for (int i = 0; i < each; ++i) {
                r.post([&, t, i] {
                    if (next[static_cast<std::size_t>(t)]++ != i) in_order = false;
                    if (++arrived == threads * each) r.stop();
                });
            }
        });
    }
    CHECK_THROWS_AS(on.run(sleep_long()), bight::run_cancelled);
    for (auto& p : posters) p.join();
    CHECK(arrived == threads * each);
    CHECK(in_order);
}

TEST_CASE("a call that is posted by a posted call runs in a later turn") {
    test::reactor_fixture on(any_demultiplexer);
    bight::reactor& r = on.reactor();
    std::vector<std::string> log;
    r.post([&] {
        log.push_back("first");
        r.post([&] { log.push_back("from the first"); });
    });
    r.post([&] { log.push_back("second"); });
    CHECK(r.run_once());
    CHECK(log == std::vector<std::string>{"first", "second"});
    CHECK(r.run_once());
    CHECK(log == std::vector<std::string>{"first", "second", "from the first"});
    CHECK_FALSE(r.run_once());
}

TEST_CASE("a call that posts itself for ever keeps neither tasks nor timers from running") {
    test::reactor_fixture on(any_demultiplexer);
    bight::reactor& r = on.reactor();
    struct repeat {
        bight::reactor& on;
        bool& go_on;
        void operator()() const {
            if (go_on) on.post(*this);
        }
    };
    bool go_on = true;
    r.post(repeat{r, go_on});
    on.run([&]() -> task<> {
        for (int i = 0; i < 100; ++i) co_await bight::yield();
        co_await bight::sleep_for(1ms);
    });
    go_on = false;  // NOLINT(clang-analyzer-deadcode.DeadStores): the call that is posted reads it
    r.run_once();
}

TEST_CASE("a burst of posts wakes a sleeping reactor, once") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    test::thread_count waiting;
    test::thread_count all_sent;
    std::atomic<bool> slept{false};
    std::uint64_t wakes_before = 0;
    std::uint64_t wakes_after = 0;
    int called = 0;
    const pid_t id = ::gettid();
    std::thread poster([&] {
        waiting.wait_until(1);
        slept = asleep(id);
        // The first holds the reactor until all are there, so that it cannot fall asleep between them.
        r.post([&] { all_sent.wait_until(1); });
        for (int i = 0; i < 1000; ++i) r.post([&] { ++called; });
        r.post([&] {
            wakes_after = r.statistics().wakes;
            r.stop();
        });
        all_sent.add();
    });
    auto sleeper = [&]() -> task<> {
        wakes_before = r.statistics().wakes;
        waiting.add();
        co_await bight::sleep_for(1h);
    };
    CHECK_THROWS_AS(on.run(sleeper), bight::run_cancelled);
    poster.join();
    CHECK(slept);
    CHECK(called == 1000);
    CHECK(wakes_after == wakes_before + 1);
}

TEST_CASE("posts to a reactor that is awake are no wakes") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    int called = 0;
    for (int i = 0; i < 10; ++i) {
        r.post([&] { ++called; });
        CHECK(r.run_once());
    }
    CHECK(called == 10);
    CHECK(r.statistics().wakes == 0);
}

TEST_CASE("an exception out of a posted call goes to the error handler, and the next calls run") {
    test::reactor_fixture on(any_demultiplexer);
    bight::reactor& r = on.reactor();
    bool next = false;
    r.post([] { throw std::runtime_error("from the call"); });
    r.post([&] { next = true; });
    CHECK(r.run_once());
    CHECK(next);
    const auto reports = on.take_errors();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].find("a call posted to the reactor") != std::string::npos);
    CHECK(reports[0].find("from the call") != std::string::npos);
}

TEST_CASE("calls that are left when a reactor is destroyed are destroyed, not called") {
    test::reactor_fixture on(any_demultiplexer);
    bool called = false;
    auto held = std::make_shared<int>(1);
    {
        bight::reactor r;
        r.post([&called, held] { called = true; });
        r.post([&called, held] { called = true; });
        CHECK(held.use_count() == 3);
    }
    CHECK_FALSE(called);
    CHECK(held.use_count() == 1);
}

TEST_CASE("a callable that only moves can be posted, and is destroyed once it was called") {
    test::reactor_fixture on(any_demultiplexer);
    bight::reactor& r = on.reactor();
    auto watched = std::make_shared<int>(5);
    int got = 0;
    r.post([&got, p = std::make_unique<std::shared_ptr<int>>(watched)] { got = **p; });
    CHECK(watched.use_count() == 2);
    CHECK(r.run_once());
    CHECK(got == 5);
    CHECK(watched.use_count() == 1);
}

TEST_CASE("what is posted before a reactor runs is called when it does, before its tasks") {
    test::reactor_fixture on(any_demultiplexer);
    bool called = false;
    bool before = false;
    on.reactor().post([&] { called = true; });
    on.run([&]() -> task<> {
        before = called;
        co_return;
    });
    CHECK(before);
}
