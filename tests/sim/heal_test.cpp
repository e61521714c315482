// What ends when a world is healed, and what does not.
#include "faulty.hpp"

#include "support/catch.hpp"
#include "support/echo.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

using namespace std::chrono_literals;
using bight::task;
using test::echo;
using test::with;
namespace sim = bight::sim;

namespace {

constexpr int questions = 200;

// Asks again and again, with look-ups, jobs on threads, time-outs and reads that are cancelled in between.
task<> ask(int& answers) {
    for (int i = 0; i < questions; ++i) {
        bight::stream peer = co_await bight::connect("tcp:server:7000");
        co_await peer.write("0123456789");
        std::string answer(10, ' ');
        co_await peer.read_exactly(answer);
        co_await bight::try_with_timeout(peer.read_some(), 1ms);
        co_await bight::offload([] {});
        if (answer == "0123456789") ++answers;
    }
}

using counts = std::array<std::uint64_t, sim::fault_kinds>;

counts all_counts(const sim::world& w) {
    counts all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = w.count(static_cast<sim::fault>(i));
    return all;
}

}  // namespace

TEST_CASE("heal ends what does harm, and leaves what varies") {
    sim::world_options options;
    options.faults = sim::fault_plan::storm();
    sim::world w(1, options);
    int answers = 0;
    w.add("server").on_boot([] { return bight::serve("tcp:7000", echo); });
    w.run_for(1s);
    w.heal();
    const counts before = all_counts(w);
    w.add("client").run([&] { return ask(answers); });
    w.run();
    CHECK(answers == questions);
    const counts after = all_counts(w);
    for (std::size_t i = 0; i < sim::fault_kinds; ++i) {
        const auto f = static_cast<sim::fault>(i);
        INFO(name_of(f));
        CHECK((after[i] > before[i]) == is_variation(f));
    }
}

TEST_CASE("a plan without harm has the variation of the plan that it came from") {
    const sim::fault_plan storm = sim::fault_plan::storm();
    const sim::fault_plan rest = sim::fault_plan::storm().suppress(7).without_harm();
    for (std::size_t i = 0; i < sim::fault_kinds; ++i) {
        const auto f = static_cast<sim::fault>(i);
        INFO(name_of(f));
        CHECK(rest.probability(f) == (is_variation(f) ? storm.probability(f) : 0));
    }
    CHECK(rest.suppressed(7));
    const sim::fault_plan none = sim::fault_plan().without_harm();
    CHECK(none.probability(sim::fault::short_read) == 0);
}

TEST_CASE("faults that are set after heal happen") {
    sim::world w(1, with(sim::fault::short_read));
    w.add("host").run([]() -> task<> {
        for (int i = 0; i < 20; ++i) co_await bight::sleep_for(1ms);
    });
    w.heal();
    w.set_faults(sim::fault_plan().set(sim::fault::pause, 1));
    w.run_for(10s);
    CHECK(w.count(sim::fault::pause) > 0);

    w.heal();
    w.set_faults({});
    const std::uint64_t before = w.faults();
    w.run();
    CHECK(w.faults() == before);
}
