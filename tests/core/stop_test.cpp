// A stop: whom it reaches, and when it is over.
#include <bight/core/deferred.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/thread/block_on.hpp>

#include "support/child.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

using bight::task;
using namespace std::chrono_literals;

namespace {

struct sets_at_end {
    explicit sets_at_end(bool& f) noexcept : flag(&f) {}
    sets_at_end(sets_at_end&& other) noexcept : flag(std::exchange(other.flag, nullptr)) {}
    ~sets_at_end() {
        if (flag) *flag = true;
    }
    bool* flag;
};

task<> forever(bool& begun, sets_at_end) {
    begun = true;
    co_await bight::sleep_for(1h);
}

// Starts another task when it is destroyed.
struct starts_at_end {
    explicit starts_at_end(bight::reactor& r, bool& b, bool& g) noexcept : on(&r), begun(b), gone(g) {}
    ~starts_at_end() { on->start(forever(begun, sets_at_end(gone))); }
    bight::reactor* on;
    bool& begun;
    bool& gone;
};

void run_until_idle(bight::reactor& r) {
    while (r.statistics().live_tasks > 0 || r.has_ready()) r.run_once(1h);
}

}  // namespace

TEST_CASE("a task that is started by a destructor while its reactor is destroyed never begins") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bool begun = false;
    bool gone = false;
    auto one = [&]() -> task<> {
        const starts_at_end last(on.reactor(), begun, gone);
        co_await bight::sleep_for(1h);
    };
    on.reactor().start(one);
    on.reactor().run_once();
    on.finish();
    CHECK_FALSE(begun);
    CHECK(gone);
}

TEST_CASE("what is started while a stop is under way never begins, and what is started afterwards runs") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bight::reactor& r = on.reactor();
    bool cleaned = false;
    auto cleans_up = [&]() -> task<> {
        auto clean = [&]() -> task<> {
            co_await bight::sleep_for(5ms);
            cleaned = true;
        };
        co_await bight::finally(bight::sleep_for(1h), clean);
    };
    r.start(cleans_up);
    r.run_once();
    r.stop();
    r.run_once();
    bool begun = false;
    bool gone = false;
    r.start(forever(begun, sets_at_end(gone)));
    r.run_once();
    CHECK_FALSE(begun);
    CHECK(gone);
    CHECK_FALSE(cleaned);
    run_until_idle(r);
    CHECK(cleaned);

    gone = false;
    r.start(forever(begun, sets_at_end(gone)));
    for (int i = 0; i < 3; ++i) r.run_once();
    CHECK(begun);
    CHECK_FALSE(gone);
    r.stop();
    run_until_idle(r);
    CHECK(gone);
}

TEST_CASE("run after a stop that is still under way within run_once gives run_cancelled") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bight::reactor& r = on.reactor();
    auto cleans_up = []() -> task<> {
        auto clean = []() -> task<> { co_await bight::sleep_for(5ms); };
        co_await bight::finally(bight::sleep_for(1h), clean);
    };
    r.start(cleans_up);
    r.run_once();
    r.stop();
    r.run_once();
    bool begun = false;
    auto root = [&]() -> task<> {
        begun = true;
        co_return;
    };
    CHECK_THROWS_AS(on.run(root), bight::run_cancelled);
    CHECK_FALSE(begun);
    on.run(root);
    CHECK(begun);
}

TEST_CASE("a stop in the turn in which run's task ends is for the other tasks, and not for the next run") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bight::reactor& r = on.reactor();
    bool begun = false;
    bool gone = false;
    r.start(forever(begun, sets_at_end(gone)));
    auto stops = [&]() -> task<> {
        co_await bight::sleep_for(1ms);
        r.stop();
    };
    on.run(stops);
    CHECK(begun);
    bool ended = false;
    auto later = [&]() -> task<> {
        co_await bight::sleep_for(1ms);
        ended = true;
    };
    on.run(later);
    CHECK(ended);
    CHECK(gone);
}

TEST_CASE("stop_now in the turn in which run's task ends leaves the clean-up of the others no time") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bight::reactor& r = on.reactor();
    bool cut_short = false;
    auto cleans_up = [&]() -> task<> {
        auto clean = [&]() -> task<> {
            const sets_at_end end(cut_short);
            co_await bight::sleep_for(24h);
        };
        co_await bight::finally(bight::sleep_for(1h), clean, 12h);
    };
    r.start(cleans_up);
    auto stops = [&]() -> task<> {
        auto clean = [&]() -> task<> {
            co_await bight::yield();
            r.stop_now();
        };
        r.stop();
        co_await bight::finally(bight::sleep_for(1h), clean);
    };
    CHECK_THROWS_AS(on.run(stops), bight::run_cancelled);
    run_until_idle(r);
    CHECK(cut_short);
}

TEST_CASE("a stop that comes after stop_now gives no patience back") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bight::reactor& r = on.reactor();
    bool cut_short = false;
    auto stops = [&]() -> task<> {
        auto clean = [&]() -> task<> {
            const sets_at_end end(cut_short);
            co_await bight::sleep_for(24h);
        };
        r.stop_now();
        r.stop();
        co_await bight::finally(bight::sleep_for(1h), clean, 12h);
    };
    CHECK_THROWS_AS(on.run(stops), bight::run_cancelled);
    CHECK(cut_short);
}

TEST_CASE("what an abandoned deferred's producer starts while a stop is obeyed never begins") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bight::reactor& r = on.reactor();
    int told = 0;
    bool begun = false;
    bool gone = false;
    auto waits = [](bight::deferred<int> d) -> task<> { co_await d; };
    for (int i = 0; i < 3; ++i) {
        bight::deferred<int> d;
        d.on_abandoned([&] {
            ++told;
            for (int k = 0; k < 9; ++k) r.start(forever(begun, sets_at_end(gone)));
        });
        r.start(waits, d);
    }
    auto root = [&]() -> task<> {
        co_await bight::yield();
        r.stop();
        CHECK(told == 0);
        co_await bight::sleep_for(1h);
    };
    CHECK_THROWS_AS(on.run(root), bight::run_cancelled);
    run_until_idle(r);
    CHECK(told == 3);
    CHECK_FALSE(begun);
    CHECK(gone);
}

TEST_CASE("a block_on that comes while a stop is under way is cancelled") {
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    bight::reactor& r = on.reactor();
    std::atomic<int> outcome{0};
    std::thread other;
    bool begun = false;
    auto root = [&]() -> task<> {
        bight::deferred<> arrived;
        auto clean = [&]() -> task<> {
            other = std::thread([&] {
                auto ask = [&]() -> task<> {
                    begun = true;
                    co_await bight::sleep_for(1h);
                };
                try {
                    bight::block_on(r, ask);
                } catch (const bight::run_cancelled&) {
                    outcome = 1;
                } catch (...) {
                    outcome = 2;
                }
                r.post([&] { arrived.set_value(); });
            });
            co_await arrived;
        };
        auto body = [&]() -> task<> {
            r.stop();
            co_await bight::sleep_for(1h);
        };
        co_await bight::finally(body(), clean);
    };
    CHECK_THROWS_AS(on.run(root), bight::run_cancelled);
    other.join();
    CHECK(outcome == 1);
    CHECK_FALSE(begun);
}

TEST_CASE("start on a thread other than the one that runs the reactor throws, and starts nothing") {
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    bight::reactor& r = on.reactor();
    std::error_code refused;
    bool begun = false;
    bool gone = false;
    auto root = [&]() -> task<> {
        bight::deferred<> done;
        std::thread other([&] {
            try {
                r.start(forever(begun, sets_at_end(gone)));
            } catch (const std::system_error& e) {
                refused = e.code();
            }
            r.post([&] { done.set_value(); });
        });
        co_await done;
        other.join();
    };
    on.run(root);
    CHECK(refused == bight::errc::wrong_thread);
    CHECK_FALSE(begun);
    CHECK(gone);
}

TEST_CASE("a forked child that destroys its parent's reactor disturbs nothing of the parent's") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    bight::reactor_options options;
    options.demultiplexer = kind;
    std::optional<bight::reactor> r;
    r.emplace(options);
    std::string got;
    bool child_is_gone = false;
    auto converse = [&]() -> task<> {
        auto pair = co_await test::connected_pair(test::family::tcp);
        auto answer = [&]() -> task<> {
            while (auto bytes = co_await pair.server.read_some()) co_await pair.server.write(bytes);
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(answer);
            while (!child_is_gone) co_await bight::sleep_for(1ms);
            co_await pair.client.write("still there?");
            const auto bytes = co_await pair.client.read_some();
            got = bytes.to_string();
            g.cancel();
        });
    };
    r->start(converse);
    for (int i = 0; i < 20; ++i) r->run_once(1ms);
    {
        test::child other([&](const test::witness_pipe&) {
            r.reset();
            return 0;
        });
        CHECK(other.exit_status() == 0);
    }
    child_is_gone = true;
    while (r->statistics().live_tasks > 0) r->run_once(1s);
    CHECK(got == "still there?");
}
