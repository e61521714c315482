// Signals of simulated hosts, and that programs see the same of them as of those of the machine.
#include "support/catch.hpp"
#include "support/error_of.hpp"
#include "support/reactors.hpp"

#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/os/signal_watch.hpp>
#include <bight/sim/world.hpp>
#include <bight/thread/runtime.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

using bight::received_signal;
using bight::signal_watch;
using bight::task;
using namespace std::chrono_literals;

namespace {

// Says what it is told, and ends with SIGTERM. Two watches, of which one goes.
task<> told_program(std::string& said, std::function<void(int)> sends, bight::duration moment) {
    signal_watch w{SIGINT, SIGTERM};
    {
        signal_watch other{SIGINT};
        sends(SIGINT);
        const received_signal came = co_await w.next();
        said += "first " + std::to_string(came.number) + " " + std::to_string(came.sender != 0);
        const received_signal same = co_await other.next();
        said += ", other " + std::to_string(same.number);
    }
    sends(SIGINT);
    sends(SIGINT);
    co_await bight::sleep_for(moment);  // both have come, and are one
    const auto again = w.try_next();
    said += again ? ", again" : ", never";
    said += w.try_next() ? " and again" : " once";
    bool cancelled_one_took_it = false;
    co_await bight::with_group([&](bight::group& g) -> task<> {
        g.spawn([&]() -> task<> {
            co_await w.next();
            cancelled_one_took_it = true;
        });
        co_await bight::yield();
        g.cancel();
    });
    said += cancelled_one_took_it ? ", taken" : ", cancelled";
    sends(SIGTERM);
    const received_signal last = co_await w.next();
    said += ", last " + std::to_string(last.number);
}

std::string expected() {
    return "first " + std::to_string(SIGINT) + " 0, other " + std::to_string(SIGINT) +
           ", again once, cancelled, last " + std::to_string(SIGTERM);
}

}  // namespace

TEST_CASE("a program is told the same of signals on each demultiplexer and in each world") {
    for (const auto kind : test::demultiplexers()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        std::string said;
        on.run([&]() { return told_program(said, [](int number) { std::raise(number); }, 1ms); });
        // Of one that raises it itself the sender is known where the system tells.
        if (const auto at = said.find(" 1,"); at != std::string::npos) said.replace(at, 3, " 0,");
        CHECK(said == expected());
    }
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        std::string said;
        bight::sim::world w(seed);
        auto& host = w.add("host");
        host.run([&]() { return told_program(said, [&](int number) { host.signal(number); }, 1ms); });
        w.run();
        CHECK(said == expected());
    }
}

TEST_CASE("a signal comes a little later, at the same time in each run of a seed") {
    const auto times = [](std::uint64_t seed) {
        std::vector<bight::duration> all;
        bight::sim::world w(seed);
        auto& host = w.add("host");
        host.run([&]() -> task<> {
            signal_watch watch{SIGTERM};
            for (int i = 0; i < 10; ++i) {
                host.signal(SIGTERM);
                co_await watch.next();
                all.push_back(w.elapsed());
            }
        });
        w.run();
        return all;
    };
    const auto first = times(1);
    CHECK(first == times(1));
    CHECK(first != times(2));
    CHECK(first.back() < 10 * 100us);
}

TEST_CASE("two signals of one number are told as one or as two, as the seed decides") {
    int once = 0;
    int twice = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        int told = 0;
        bight::sim::world w(seed);
        auto& host = w.add("host");
        host.on_boot([&]() -> task<> {
            signal_watch watch{SIGTERM};
            for (;;) {
                co_await watch.next();
                ++told;
            }
        });
        host.run([&]() -> task<> {
            co_await bight::sleep_for(1ms);
            host.signal(SIGTERM);
            host.signal(SIGTERM);
            co_await bight::sleep_for(1ms);
        });
        w.run();
        REQUIRE((told == 1 || told == 2));
        ++(told == 1 ? once : twice);
    }
    CHECK(once > 0);
    CHECK(twice > 0);
}

TEST_CASE("all reactors of a host are told, and no other host") {
    int told = 0;
    int elsewhere = 0;
    bight::sim::world w(3);
    auto& server = w.add("server");
    auto& other = w.add("other");
    const auto waits = [](int& count) -> task<> {
        signal_watch watch{SIGTERM};
        co_await watch.next();
        ++count;
    };
    server.run([&] { return waits(told); });
    server.run([&]() -> int {
        bight::runtime cores({.reactors = 3});
        return cores.run([&] { return waits(told); });
    });
    other.on_boot([&] { return waits(elsewhere); });
    other.run([&]() -> task<> {
        co_await bight::sleep_for(1s);
        server.signal(SIGTERM);
        co_await bight::sleep_for(1s);
    });
    w.run();
    CHECK(told == 4);
    CHECK(elsewhere == 0);
}

TEST_CASE("a host that is down, or that nobody listens on, lets a signal pass; one that crashes loses it") {
    int told = 0;
    bight::sim::world w(4);
    auto& host = w.add("host");
    auto& other = w.add("other");
    host.signal(SIGTERM);
    host.on_boot([&]() -> task<> {
        co_await bight::sleep_for(1ms);  // nobody is told of the first one
        signal_watch watch{SIGTERM};
        for (;;) {
            co_await watch.next();
            ++told;
        }
    });
    other.run([&]() -> task<> {
        co_await bight::sleep_for(1s);
        CHECK(told == 0);
        host.signal(SIGTERM);
        co_await bight::sleep_for(1s);
        CHECK(told == 1);
        host.signal(SIGTERM);
        host.crash();
        host.signal(SIGTERM);
        co_await bight::sleep_for(1s);
        host.restart();
        co_await bight::sleep_for(1s);
        CHECK(told == 1);
        host.pause(1s);
        host.signal(SIGTERM);
        co_await bight::sleep_for(500ms);
        CHECK(told == 1);
        co_await bight::sleep_for(1s);
        CHECK(told == 2);
    });
    w.run();
    CHECK_THROWS_AS(host.signal(SIGSEGV), std::invalid_argument);
    CHECK_THROWS_AS(host.signal(0), std::invalid_argument);
}

TEST_CASE("a task that waits for a signal that never comes is a deadlock, which says what it waits for") {
    bight::sim::world w(5);
    w.add("host").run([]() -> task<> {
        signal_watch watch{SIGTERM};
        co_await watch.next();
    });
    CHECK_THROWS_WITH(w.run(), Catch::Contains("a signal (SIGTERM)"));
}
