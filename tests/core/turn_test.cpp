// What a reactor does in a turn, in which order, and how much; and how it shows its tasks.
#include <bight/core/finally.hpp>
#include <bight/core/group.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/task_local.hpp>
#include <bight/core/timeout.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/connect.hpp>

#include "support/connections.hpp"
#include "support/reactors.hpp"
#include "support/sleep_long.hpp"
#include "support/thread_count.hpp"

#include <sys/socket.h>
#include <time.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;
using test::sleep_long;

task<> note(std::vector<std::string>& log, std::string what) {
    log.push_back(std::move(what));
    co_return;
}

std::chrono::nanoseconds processor_time() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

}  // namespace

TEST_CASE("an idle reactor does nothing: few polls, no processor time") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    const auto processor_before = processor_time();
    std::uint64_t polls = 0;
    on.run([&]() -> task<> {
        const auto before = r.statistics().polls;
        co_await bight::sleep_for(200ms);
        polls = r.statistics().polls - before;
    });
    CHECK(polls >= 1);
    CHECK(polls <= 4);
    CHECK(processor_time() - processor_before < 20ms);
}

TEST_CASE("each wake of a sleeping reactor costs one poll") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    constexpr int rounds = 200;
    test::thread_count answered;
    std::thread poster([&] {
        for (int i = 0; i < rounds; ++i) {
            r.post([&] { answered.add(); });
            answered.wait_until(i + 1);
        }
        r.stop();
    });
    CHECK_THROWS_AS(on.run(sleep_long()), bight::run_cancelled);
    poster.join();
    const auto s = r.statistics();
    CHECK(answered.value() == rounds);
    CHECK(s.wakes <= rounds);
    CHECK(s.polls <= rounds + 5);
}

TEST_CASE(
    "a turn: I/O, due timers, posted calls, and then the tasks in the order in which they became ready") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const test::raw_socket ours(ends[0]);
    const test::raw_socket theirs(ends[1]);
    test::reactor_fixture on(kind);
    bight::reactor& r = on.reactor();
    std::vector<std::string> log;
    bool reading = false;
    const std::string where = "fd:" + std::to_string(ends[0]);
    auto reads = [&]() -> task<> {
        auto peer = co_await bight::connect(where);
        reading = true;
        const auto got = co_await peer.read_some();
        log.push_back("input " + got.to_string());
    };
    r.start(reads);
    for (int i = 0; i < 1000 && !reading; ++i) r.run_once(1s);
    REQUIRE(reading);
    while (r.run_once()) {
    }

    const auto deadline = bight::clock::now() + 5ms;
    auto sleeps = [&]() -> task<> {
        co_await bight::sleep_until(deadline);
        log.push_back("timer");
    };
    r.start(sleeps);
    REQUIRE(r.run_once());
    CHECK(log.empty());

    theirs.send("here");
    std::this_thread::sleep_until(deadline);
    while (bight::clock::now() < deadline) std::this_thread::yield();  // it may wake a little earlier
    r.post([&] {
        log.push_back("posted");
        r.start(note(log, "started by what was posted"));
    });
    CHECK(r.run_once());
    CHECK(log == std::vector<std::string>{"posted", "input here", "timer", "started by what was posted"});

    // With something ready, the kernel is not asked, but posted calls still come first.
    log.clear();
    const auto polls = r.statistics().polls;
    r.start(note(log, "ready"));
    r.post([&] { log.push_back("posted"); });
    CHECK(r.run_once());
    CHECK(log == std::vector<std::string>{"posted", "ready"});
    CHECK(r.statistics().polls == polls);
}

TEST_CASE("tasks that are always ready do not keep timers from firing") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    constexpr int busy = 10;
    on.run([&]() -> task<> {
        auto spin = []() -> task<> {
            for (;;) co_await bight::yield();
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < busy; ++i) g.spawn(spin);
            for (int i = 0; i < 50; ++i) {
                const auto before = r.statistics().resumptions;
                co_await bight::sleep_until(bight::clock::now());
                // A poll comes after poll_interval at the latest, in whole batches; and what fires is the
                // last of its.
                const auto waited = r.statistics().resumptions - before;
                CHECK(waited <= bight::reactor::poll_interval + 3 * (busy + 1));
            }
            g.cancel();
        });
    });
}

TEST_CASE("a loop of scopes whose tasks end at once lets others run, and timers fire") {
    enum class scope { group, timeout, shield, binding, cleaned_up };
    const auto which =
        GENERATE(scope::group, scope::timeout, scope::shield, scope::binding, scope::cleaned_up);
    CAPTURE(static_cast<int>(which));
    test::virtual_fixture on;
    static const bight::task_local<int> bound{0};
    on.run([&]() -> task<> {
        int others = 0;
        bool fired = false;
        auto at_once = []() -> task<> { co_return; };
        auto opens = [&]() -> task<> {
            auto empty = [](bight::group&) -> task<> { co_return; };
            switch (which) {
                case scope::group: co_await bight::with_group(empty); break;
                case scope::timeout: co_await bight::with_timeout(at_once(), 1h); break;
                case scope::shield: co_await bight::shield(at_once(), 1h); break;
                case scope::binding: co_await bound.bind(1, at_once()); break;
                case scope::cleaned_up: co_await bight::finally(at_once(), at_once); break;
            }
        };
        auto body = [&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                for (;;) {
                    co_await bight::yield();
                    ++others;
                }
            });
            g.spawn([&]() -> task<> {
                co_await bight::sleep_until(bight::reactor::current()->now());
                fired = true;
            });
            for (int i = 0; i < 10'000; ++i) co_await opens();
            g.cancel();
        };
        co_await bight::with_group(body);
        CHECK(others >= 10'000 / static_cast<int>(bight::reactor::completion_budget + 1) - 1);
        CHECK(fired);
    });
}

TEST_CASE("nothing switches between awaits: 1,000 tasks count to 1,000,000 together") {
    test::reactor_fixture on(any_demultiplexer);
    long total = 0;
    bool interrupted = false;
    on.run([&]() -> task<> {
        bool inside = false;
        auto count = [&]() -> task<> {
            for (int i = 0; i < 1000; ++i) {
                if (std::exchange(inside, true)) interrupted = true;
                const long seen = total;
                total = seen + 1;
                inside = false;
                co_await bight::yield();
            }
        };
        co_await bight::with_group([&](bight::group& g) {
            for (int i = 0; i < 1000; ++i) g.spawn(std::ref(count));
        });
    });
    CHECK(total == 1'000'000);
    CHECK_FALSE(interrupted);
}

TEST_CASE("dump_tasks shows the tree: who waits for what, in which line") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const test::raw_socket ours(ends[0]);
    const test::raw_socket theirs(ends[1]);
    test::reactor_fixture on(kind);
    bight::reactor& r = on.reactor();
    CHECK(r.dump_tasks() == "no tasks\n");
    const std::string where = "fd:" + std::to_string(ends[0]);
    std::string dump;
    int sleep_line = 0;
    int read_line = 0;
    bool reading = false;
    on.run([&]() -> task<> {
        auto reads = [&]() -> task<> {
            auto peer = co_await bight::connect(where);
            reading = true;
            read_line = __LINE__ + 1;
            const auto got = co_await peer.read_some();
            CHECK(got.to_string() == "end");
        };
        auto sleeps = [&]() -> task<> {
            sleep_line = __LINE__ + 1;
            co_await bight::sleep_for(1h);
        };
        auto hurries = [&]() -> task<> { co_await bight::with_timeout(sleeps(), 2h); };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(reads);
            g.spawn(hurries);
            while (!reading) co_await bight::yield();
            co_await bight::yield();
            dump = r.dump_tasks();
            theirs.send("end");
            while (g.size() > 1) co_await bight::yield();
            g.cancel();
        });
    });
    CAPTURE(dump);
    const auto position = [&](const std::string& text) { return dump.find(text); };
    const auto has = [&](const std::string& text) { return position(text) != std::string::npos; };
    CHECK(position("the task given to run()") == 0);
    CHECK(has("  a task of a group: waits for "));
    CHECK(has("waits for a task with a time-out"));
    CHECK(has("waits for a timer"));
    CHECK(has("read"));
    CHECK(has("turn_test.cpp:" + std::to_string(sleep_line)));
    CHECK(has("turn_test.cpp:" + std::to_string(read_line)));
    // What the time-out waits for is one level below it.
    CHECK(position("waits for a task with a time-out") < position("waits for a timer"));
}

TEST_CASE("the time of a turn stands still within it, and is never ahead of the clock") {
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    on.run([&]() -> task<> {
        const bight::reactor& r = on.reactor();
        const bight::time_point before = r.turn_time();
        while (r.now() < before + 2ms) {
        }
        CHECK(r.turn_time() == before);
        co_await bight::sleep_for(1ms);
        CHECK(r.turn_time() >= before + 3ms);
        CHECK(r.turn_time() <= r.now());
    });
}
