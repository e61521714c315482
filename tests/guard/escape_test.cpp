#include <bight/sim/guard.hpp>

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <random>
#include <string>
#include <thread>

using bight::task;
using Catch::Contains;
namespace sim = bight::sim;

namespace {

template <class F>
void run_in_a_world(F use) {
    sim::world w(1);
    w.add("host").run([&]() -> task<> {
        co_await bight::yield();
        use();
    });
    w.run();
}

}  // namespace

TEST_CASE("a simulated program that reads the machine's clock is caught, with its host and line") {
    CHECK_THROWS_AS(run_in_a_world([] { (void)std::chrono::steady_clock::now(); }), sim::escaped);
    CHECK_THROWS_WITH(run_in_a_world([] { (void)std::chrono::system_clock::now(); }),
                      Contains("host host called clock_gettime") && Contains("escape_test.cpp:23"));
    CHECK_THROWS_AS(run_in_a_world([] { (void)::time(nullptr); }), sim::escaped);
}

TEST_CASE("a simulated program that starts a thread, sleeps or opens a socket is caught") {
    CHECK_THROWS_WITH(run_in_a_world([] { std::thread([] {}).join(); }), Contains("pthread_create"));
    CHECK_THROWS_WITH(run_in_a_world([] { std::this_thread::sleep_for(std::chrono::nanoseconds(1)); }),
                      Contains("sleep"));
    CHECK_THROWS_WITH(run_in_a_world([] { ::close(::socket(AF_INET, SOCK_STREAM, 0)); }), Contains("socket"));
}

TEST_CASE("what the world gives is not the machine's") {
    CHECK_NOTHROW(run_in_a_world([] {
        (void)bight::reactor::current()->now();
        (void)bight::wall_clock_now();
        (void)bight::random();
    }));
}

TEST_CASE("outside of a world nothing is caught") {
    CHECK(std::chrono::steady_clock::now().time_since_epoch().count() > 0);
    std::thread([] {}).join();
}
