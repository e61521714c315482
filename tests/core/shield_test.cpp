#include <bight/core/group.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>

#include "support/reactors.hpp"

#include <stdexcept>
#include <string>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;
using log_of = std::vector<std::string>;

task<int> commit(log_of& log, bight::duration takes) {
    struct mark {
        log_of& to;
        bool done = false;
        ~mark() { to.push_back(done ? "committed" : "cut off"); }
    };
    mark here{log};
    co_await bight::sleep_for(takes);
    here.done = true;
    co_return 1;
}

task<> shielded(log_of& log, bight::duration takes, bight::duration patience) {
    const int n = co_await bight::shield(commit(log, takes), patience);
    log.push_back("got " + std::to_string(n));
    co_await bight::yield();
    log.push_back("never when cancelled");
}

// Runs `t` in a group that is cancelled after `when`.
task<> cancelled_after(bight::duration when, task<> t) {
    co_await bight::with_group([&](bight::group& g) -> task<> {
        g.spawn(std::move(t));
        co_await bight::sleep_for(when);
        g.cancel();
    });
}

}  // namespace

TEST_CASE("a shield is nothing when nobody cancels, and its deadline counts only from a cancellation") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run(shielded(log, 5ms, 1ms));
    CHECK(log == log_of{"committed", "got 1", "never when cancelled"});
}

TEST_CASE("a shielded task runs to its end; its result is delivered, and the task ends at its next await") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run(cancelled_after(1ms, shielded(log, 10ms, 1h)));
    CHECK(log == log_of{"committed", "got 1"});
}

TEST_CASE("a shield's deadline ends its task") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run(cancelled_after(1ms, shielded(log, 1h, 3ms)));
    CHECK(log == log_of{"cut off"});
}

TEST_CASE("a shield in a task that is cancelled already runs, within its deadline") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto late = [&]() -> task<> {
        co_await bight::shield(commit(log, 10ms), 1h);  // the cancellation comes in here
        log.push_back("second");
        co_await bight::shield(commit(log, 2ms), 1h);
        log.push_back("third");
        co_await bight::shield(commit(log, 1h), 2ms);
        log.push_back("never");
    };
    on.run(cancelled_after(1ms, late()));
    CHECK(log == log_of{"committed", "second", "committed", "third", "cut off"});
}

TEST_CASE("scopes within a shield are shielded too") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto inner = [&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&log]() -> task<> { co_await commit(log, 5ms); });
            co_await bight::sleep_for(4ms);
            const int n = co_await bight::with_timeout(commit(log, 5ms), 1h);
            CHECK(n == 1);
        });
    };
    auto outer = [&]() -> task<> { co_await bight::shield(inner(), 1h); };
    on.run(cancelled_after(1ms, outer()));
    CHECK(log == log_of{"committed", "committed"});
}

TEST_CASE("errors pass through a shield") {
    test::reactor_fixture on(any_demultiplexer);
    auto fails = []() -> task<> {
        co_await bight::sleep_for(3ms);
        throw std::runtime_error("not committed");
    };
    std::string what;
    auto outer = [&]() -> task<> {
        try {
            co_await bight::shield(fails(), 1h);
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
    };
    on.run(cancelled_after(1ms, outer()));
    CHECK(what == "not committed");
}

TEST_CASE("stop_now, as the second signal does, brings a shield's deadline at once") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto root = [&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(shielded(log, 1h, 1h));
            co_await bight::sleep_for(1ms);
            on.reactor().stop();
            // Shielded itself, so that it lives to stop once more.
            co_await bight::shield(bight::sleep_for(2ms), 1h);
            log.push_back("first stop waits");
            on.reactor().stop_now();
        });
    };
    CHECK_THROWS_AS(on.run(root()), bight::run_cancelled);
    CHECK(log == log_of{"first stop waits", "cut off"});
}

TEST_CASE("after stop_now a new shield has no patience either") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto root = [&]() -> task<> {
        on.reactor().stop_now();
        co_await bight::shield(commit(log, 1h), 1h);
    };
    CHECK_THROWS_AS(on.run(root()), bight::run_cancelled);
    CHECK(log == log_of{"cut off"});
}
