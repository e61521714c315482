// What is left of a failure, and what the report says of it.
#include "support/catch.hpp"
#include "support/exploring.hpp"

#include <bight/bight.hpp>
#include <bight/sim/explore.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using bight::task;
using Catch::Contains;
namespace sim = bight::sim;

namespace {

struct registry {
    std::set<std::string> names;
    bool has_two_owners = false;
};

// Looks whether a name is free, and takes it a moment later.
task<> register_names(registry& all, bight::stream peer) {
    bight::line_reader lines(peer);
    while (auto name = co_await lines.next()) {
        const bool free = !all.names.contains(*name);
        co_await bight::sleep_for(2ms);
        if (!free) continue;
        if (!all.names.insert(*name).second) all.has_two_owners = true;
        co_await bight::sleep_for(5ms);
        all.names.erase(*name);
    }
}

// Two clients that want the same name now and then, in a network that carries everything.
void two_of_a_name(sim::world& w) {
    auto& all = w.own<registry>();
    w.add("server").on_boot([&] { return bight::serve("tcp:7000", register_names, std::ref(all)); });
    for (const char* const client : {"alice", "bob"}) {
        w.add(client).run([]() -> task<> {
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            for (int i = 0; i < 3; ++i) {
                co_await bight::sleep_for(std::chrono::milliseconds(bight::random_below(200)));
                co_await peer.write("x\r\n");
            }
        });
    }
    w.run();
    if (all.has_two_owners) throw std::runtime_error("one name, two owners");
}

// The same, where this does not matter.
void two_clients(sim::world& w) {
    try {
        two_of_a_name(w);
    } catch (const std::runtime_error&) {
    }
}

void impatient_clients(sim::world& w) {
    two_clients(w);
    if (w.count(sim::fault::slow_name) > 0) throw std::runtime_error("a name took long");
}

sim::fault_plan delays() {
    sim::fault_plan plan;
    plan.set(sim::fault::slow_packet, 0.3).set(sim::fault::slow_completion, 0.3);
    return plan.set(sim::fault::small_segment, 0.3).set(sim::fault::short_read, 0.3);
}

bool fails(std::uint64_t seed, const sim::fault_plan& faults, void (*test)(sim::world&)) {
    sim::world_options options;
    options.faults = faults;
    sim::world w(seed, options);
    try {
        test(w);
    } catch (const std::exception&) {
        return true;
    }
    return false;
}

}  // namespace

TEST_CASE("a race that needs no fault is shrunk to none, in another seed if need be") {
    // One that does not fail just so without its faults.
    std::uint64_t seed = 1;
    while (!fails(seed, delays(), two_of_a_name) || fails(seed, {}, two_of_a_name)) REQUIRE(++seed < 500);
    auto options = test::quiet(300);
    options.first_seed = seed;
    options.world.faults = delays();
    const auto result = sim::explore(two_of_a_name, options);
    REQUIRE_FALSE(result.ok());
    const sim::seed_failure& f = *result.failure;
    INFO(f.report);
    CHECK(f.seed == seed);
    CHECK(f.faults_before > 0);
    CHECK(f.faults.empty());
    CHECK(f.smallest_seed != seed);
    CHECK(f.replay == std::to_string(f.smallest_seed) + ":faults=");
    CHECK(fails(f.smallest_seed, f.smallest, two_of_a_name));
    CHECK_THAT(f.report, Contains("none is left after shrinking") &&
                             Contains("it is seed " + std::to_string(f.smallest_seed) + " that fails so"));
    CHECK_THAT(f.report, !Contains("need"));
}

TEST_CASE("of many kinds of faults the one that is enough is left, and of it no more than are") {
    auto options = test::quiet(50);
    options.world.faults = delays();
    const auto result = sim::explore(
        [](sim::world& w) {
            two_clients(w);
            if (w.count(sim::fault::short_read) >= 3) throw std::runtime_error("three short reads");
        },
        options);
    REQUIRE_FALSE(result.ok());
    INFO(result.failure->report);
    CHECK(result.failure->faults_before > 10);
    CHECK(result.failure->faults.size() == 3);
    for (const auto& left : result.failure->faults) CHECK(left.name == "short_read");
    CHECK_THAT(result.failure->report, Contains("3 are left after shrinking: short_read ("));
}

TEST_CASE("a fault that the trace has forgotten is left all the same, and named") {
    auto options = test::quiet(100);
    options.world.faults.set(sim::fault::slow_name, 0.2).set(sim::fault::short_read, 0.3);
    options.world.trace_events = 20;
    const auto result = sim::explore(impatient_clients, options);
    REQUIRE_FALSE(result.ok());
    const sim::seed_failure& f = *result.failure;
    INFO(f.report);
    REQUIRE(f.faults.size() == 1);
    CHECK(f.faults[0].name == "slow_name");
    CHECK_FALSE(f.faults[0].line.has_value());
    CHECK_THAT(f.report,
               Contains("1 is left after shrinking: slow_name (") && Contains("has forgotten 1 of"));
    CHECK(fails(f.seed, f.smallest, impatient_clients));
}
