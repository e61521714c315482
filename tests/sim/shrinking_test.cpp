// What is left of a failure, and what the report says of it.
#include "support/catch.hpp"
#include "support/exploring.hpp"

#include <bight/bight.hpp>
#include <bight/sim/explore.hpp>

#include <chrono>
#include <cstdint>
#include <cstdlib>
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

// Once more, on the same hosts.
void two_clients_again(sim::world& w) {
    for (const char* const client : {"alice", "bob"}) {
        w.at(client).run([]() -> task<> {
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            for (int i = 0; i < 3; ++i) co_await peer.write("y\r\n");
        });
    }
    w.run();
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

namespace {

// Sets the faults itself, before anything happens and later: what a test with quiet beginnings does.
void sets_its_faults(sim::world& w) {
    w.set_faults({});
    w.run_for(1s);
    w.set_faults(delays());
    two_clients(w);
    if (w.count(sim::fault::short_read) >= 3) throw std::runtime_error("three short reads");
}

}  // namespace

TEST_CASE("a test that sets the faults of its world is shrunk as any other") {
    for (const bool explore_has_them : {true, false}) {
        CAPTURE(explore_has_them);
        auto options = test::quiet(50);
        if (explore_has_them) options.world.faults = delays();
        const auto result = sim::explore(sets_its_faults, options);
        REQUIRE_FALSE(result.ok());
        const sim::seed_failure& f = *result.failure;
        INFO(f.report);
        CHECK(f.faults_before > 10);
        CHECK(f.faults.size() == 3);
        for (const auto& left : f.faults) CHECK(left.name == "short_read");
        CHECK_THAT(f.replay, Contains(":kinds=short_read:faults="));

        sim::world_options again;
        again.faults = f.smallest;
        sim::world w(f.smallest_seed, again);
        CHECK_THROWS_WITH(sets_its_faults(w), "three short reads");
        CHECK(w.faults() == 3);

        // And as BIGHT_SIM_SEED has it.
        REQUIRE(::setenv("BIGHT_SIM_SEED", f.replay.c_str(), 1) == 0);
        const auto replayed = sim::explore(sets_its_faults, options);
        ::unsetenv("BIGHT_SIM_SEED");
        REQUIRE_FALSE(replayed.ok());
        CHECK(replayed.failure->faults_before == 3);
    }
}

TEST_CASE("what the plan of a world leaves out stays out, whatever plan comes after it") {
    const auto happened = [](const sim::fault_plan& first) {
        sim::world_options options;
        options.faults = first;
        sim::world w(1, options);
        try {
            sets_its_faults(w);
        } catch (const std::runtime_error&) {
        }
        w.heal();
        w.set_faults(delays());
        two_clients_again(w);
        return w.happened_faults();
    };
    const auto all = happened(delays());
    REQUIRE(all.size() > 10);
    const sim::happened_fault& one = all[all.size() / 2];
    for (const sim::happened_fault& f : happened(delays().suppress(one.id))) CHECK(f.id != one.id);
    for (const sim::happened_fault& f : happened(delays().allow_only({one.id}))) CHECK(f.id == one.id);
    for (const sim::happened_fault& f : happened(delays().leave_out(one.kind))) CHECK(f.kind != one.kind);
    CHECK(delays().leave_out(one.kind).set(one.kind, 1).probability(one.kind) == 0);
}

namespace {

task<> wait_for_a_lock_that_is_held() {
    bight::mutex lock;
    const auto held = co_await lock.lock();
    const auto never = co_await lock.lock();
}

task<> wait_for_what_never_comes() {
    bight::manual_reset_event never;
    co_await never.wait();
}

// Waits for ever, after a fault at one place and without any at another.
void waits_for_ever(sim::world& w) {
    w.add("client").run([&w]() -> task<> {
        if (w.count(sim::fault::user) == 0 && !bight::sim::sometimes("it is unlucky", 0.5))
            co_await wait_for_what_never_comes();
        co_await wait_for_a_lock_that_is_held();
    });
    w.run();
}

}  // namespace

TEST_CASE(
    "one deadlock is not taken for another: that the same tasks wait at the same places is part of it") {
    std::uint64_t seed = 1;
    const auto is_unlucky = [](std::uint64_t which) {
        sim::world_options options;
        options.faults.set(sim::fault::user, 1);
        sim::world w(which, options);
        CHECK_THROWS_AS(waits_for_ever(w), bight::deadlock);
        return w.count(sim::fault::user) > 0;
    };
    while (!is_unlucky(seed)) REQUIRE(++seed < 100);
    auto options = test::quiet(1);
    options.first_seed = seed;
    options.world.faults.set(sim::fault::user, 1);
    const auto result = sim::explore(waits_for_ever, options);
    REQUIRE_FALSE(result.ok());
    INFO(result.failure->report);
    CHECK(result.failure->faults.size() == 1);
    CHECK_THAT(result.failure->tasks, Contains("wait_for_a_lock_that_is_held"));
}
