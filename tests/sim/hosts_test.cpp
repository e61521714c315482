// Hosts of a world: where they are, when their programs run, and for how long a world does.
#include "faulty.hpp"

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using bight::task;
namespace sim = bight::sim;

namespace {

task<> tick(int& beats) {
    for (;;) {
        co_await bight::sleep_for(1s);
        ++beats;
    }
}

}  // namespace

TEST_CASE("a host without an address of its own gets one that nobody has") {
    sim::world w(1);
    w.add("a", "10.0.0.2");
    w.add("b", "10.0.0.3");
    CHECK(w.add("c").ip() == "10.0.0.4");
    CHECK(w.add("d").ip() == "10.0.0.5");
    w.add("e", "10.0.0.1");
    CHECK_THROWS_AS(w.add("f", "10.0.0.4"), std::invalid_argument);
}

TEST_CASE(
    "run_for lets servers run for all of its time, before there are clients and after they have ended") {
    int beats = 0;
    sim::world w(1);
    w.add("server").on_boot([&] { return tick(beats); });
    CHECK(w.run_for(10500ms));
    CHECK(beats == 10);
    CHECK(w.elapsed() == 10500ms);
    w.add("client").run([]() -> task<> { co_await bight::sleep_for(2s); });
    CHECK_FALSE(w.run_for(1s));
    CHECK(w.run_for(1h));  // until the client has ended
    CHECK(w.elapsed() == 12500ms);
    CHECK(w.run_for(10s));
    CHECK(w.elapsed() == 22500ms);
    CHECK(beats == 22);
}

TEST_CASE("run_for ends with a client that a server's task has added") {
    sim::world w(1);
    sim::host& other = w.add("other");
    w.add("server").on_boot([&]() -> task<> {
        co_await bight::sleep_for(1s);
        other.run([]() -> task<> { co_await bight::sleep_for(1s); });
    });
    CHECK(w.run_for(1h));
    CHECK(w.elapsed() == 2s);
}

TEST_CASE("what run was given while the host was down runs when it starts, once, and is waited for") {
    int runs = 0;
    sim::world w(1);
    sim::host& a = w.add("a");
    a.crash();
    a.run([&]() -> task<> {
        ++runs;
        co_return;
    });
    CHECK_FALSE(w.run_for(1s));
    try {
        w.run();
        FAIL("the world ended without it");
    } catch (const bight::deadlock& e) {
        CHECK(std::string(e.what()).find("host a: down") != std::string::npos);
        CHECK(std::string(e.what()).find("1 given to run() when it was down") != std::string::npos);
    }
    CHECK(runs == 0);
    a.restart();
    w.run();
    CHECK(runs == 1);
    a.restart();
    w.run_for(1s);
    CHECK(runs == 1);
}

TEST_CASE("set_faults injects again after heal") {
    sim::world w(1);
    w.add("a").run([]() -> task<> {
        for (int i = 0; i < 10; ++i) co_await bight::sleep_for(1ms);
    });
    w.heal();
    w.set_faults(test::with(sim::fault::pause, 0.5).faults);
    w.run();
    CHECK(w.count(sim::fault::pause) > 0);
}

TEST_CASE("a task may add hosts, also where its host was woken for nothing") {
    constexpr int count = 100;
    int ran = 0;
    sim::world w(3, test::with(sim::fault::interrupted_wait));
    w.add("other").run([]() -> task<> {
        for (int i = 0; i < 3 * count; ++i) co_await bight::sleep_for(1ms);
    });
    w.add("maker").run([&]() -> task<> {
        for (int i = 0; i < count; ++i) {
            co_await bight::sleep_for(1ms);
            w.add("made " + std::to_string(i)).run([&]() -> task<> {
                co_await bight::sleep_for(3ms);
                ++ran;
            });
        }
    });
    w.run();
    CHECK(ran == count);
}
