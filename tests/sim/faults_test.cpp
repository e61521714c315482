// What a fault plan decides, and what it leaves alone.
#include "faulty.hpp"

#include "support/catch.hpp"

#include "sim/world_state.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using test::pair_of_hosts;
using test::with;
namespace sim = bight::sim;

TEST_CASE("every fault has a name of its own") {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < sim::fault_kinds; ++i) names.insert(name_of(static_cast<sim::fault>(i)));
    CHECK(names.size() == sim::fault_kinds);
    CHECK_FALSE(names.contains("unknown"));
    CHECK_FALSE(names.contains(""));
}

TEST_CASE("everything happens in a storm") {
    const sim::fault_plan storm = sim::fault_plan::storm();
    for (std::size_t i = 0; i < sim::fault_kinds; ++i) {
        INFO(name_of(static_cast<sim::fault>(i)));
        CHECK(storm.probability(static_cast<sim::fault>(i)) > 0);
    }
}

TEST_CASE("a fault that is off changes nothing of a run") {
    const auto digest_with = [](const sim::fault_plan& plan) {
        sim::world_options options;
        options.faults = plan;
        sim::world w(9, options);
        w.add("server").on_boot([] {
            return bight::serve("tcp:7000", [](bight::stream peer) -> task<> {
                while (auto data = co_await peer.read_some()) co_await peer.write(data);
            });
        });
        w.add("client").run([]() -> task<> {
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            co_await peer.write(std::string(10'000, 'x'));
            std::string got(10'000, ' ');
            co_await peer.read_exactly(got);
        });
        w.run();
        return w.trace().digest();
    };
    sim::fault_plan all = sim::fault_plan::storm();
    all.allow_only({});
    CHECK(digest_with({}) == digest_with(all));
}

TEST_CASE("how badly one fault hits does not depend on what else goes wrong") {
    using sim::detail::host_state;
    using sim::detail::world_state;
    // Five draws for a fault that happened, with and without another one between it and them.
    const auto amounts = [](sim::fault hits, sim::fault_plan plan, sim::fault between) {
        sim::world_options options;
        options.faults = plan;
        world_state w(7, options);
        host_state host(w, "host", "10.0.0.1", 0);
        host.up = true;
        sim::detail::host_thread& thread = host.begin_life(0);
        std::vector<std::uint64_t> drawn;
        for (int i = 0; i < 5; ++i) {
            REQUIRE(w.happens(hits, thread));
            if (between != hits) w.happens(between, thread);
            drawn.push_back(w.amount(hits).next());
        }
        return drawn;
    };
    for (std::size_t i = 0; i < sim::fault_kinds; ++i) {
        for (std::size_t j = 0; j < sim::fault_kinds; ++j) {
            const auto hits = static_cast<sim::fault>(i);
            const auto other = static_cast<sim::fault>(j);
            INFO(name_of(hits) << " and " << name_of(other));
            const auto alone = amounts(hits, sim::fault_plan().set(hits, 1), hits);
            const auto both = amounts(hits, sim::fault_plan().set(hits, 1).set(other, 1), other);
            CHECK(alone == both);
            CHECK(std::set<std::uint64_t>(alone.begin(), alone.end()).size() == alone.size());
        }
    }
}

TEST_CASE("a write is cut at the same places and moments, whether or not the network cuts it further") {
    using step = std::pair<bight::duration, std::uint64_t>;
    const auto steps_with = [](sim::fault_plan plan) {
        sim::world_options options;
        options.faults = plan.set(sim::fault::short_write, 1);
        options.link = test::always(10s);  // no answer before the write has ended
        std::vector<step> steps;
        pair_of_hosts pair(
            options, [](bight::stream& peer) -> task<> { auto all = co_await test::read_all(peer); },
            [](bight::stream& peer) -> task<> {
                co_await peer.write(std::string(1000, 'x'));
                co_await peer.close();
                co_await bight::sleep_for(1min);
            });
        pair.world.run();
        for (const sim::trace_event& e : pair.world.trace().events()) {
            if (e.what == "send") steps.emplace_back(e.at, e.bytes);
        }
        return steps;
    };
    const auto alone = steps_with({});
    CHECK(alone.size() > 3);
    CHECK(alone == steps_with(sim::fault_plan().set(sim::fault::small_segment, 1)));
}
