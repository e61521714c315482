// How the simulated network carries datagrams.
#include "support/catch.hpp"

#include "sim/world_state.hpp"

#include <bight/sim/world.hpp>

#include <algorithm>
#include <chrono>
#include <vector>

using namespace std::chrono_literals;
namespace sim = bight::sim;
using sim::detail::host_state;
using sim::detail::world_state;

namespace {

// Two hosts that are up, and what arrives at the second of what the first sends.
class network {
  public:
    explicit network(const sim::fault_plan& faults = {}, std::uint64_t seed = 1)
        : world(seed, with(faults)), from(world, "from", "10.0.0.1", 0), to(world, "to", "10.0.0.2", 1) {
        from.up = to.up = true;
    }
    network(const network&) = delete;
    network& operator=(const network&) = delete;
    ~network() { world.events.clear(); }

    void send(int number) {
        world.send_datagram(from, to, 100, [this, number] { arrived.push_back(number); });
    }
    void pass(bight::duration d) {
        const bight::time_point until = world.clock.now() + d;
        while (world.advance(until) && world.clock.now() < until) {
        }
    }

  private:
    static sim::world_options with(const sim::fault_plan& faults) {
        sim::world_options options;
        options.faults = faults;
        return options;
    }

  public:
    world_state world;
    host_state from;
    host_state to;
    std::vector<int> arrived;
};

}  // namespace

TEST_CASE("datagrams arrive after the latency of their link, each once") {
    network n;
    for (int i = 0; i < 10; ++i) {
        n.send(i);
        n.pass(10ms);  // the most that a link takes is 2 ms
    }
    CHECK(n.arrived == std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("datagrams that are sent together overtake each other") {
    network n;
    for (int i = 0; i < 20; ++i) n.send(i);
    n.pass(10ms);
    CHECK(n.arrived.size() == 20);
    CHECK_FALSE(std::is_sorted(n.arrived.begin(), n.arrived.end()));
    std::sort(n.arrived.begin(), n.arrived.end());
    for (int i = 0; i < 20; ++i) CHECK(n.arrived[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a lost datagram does not arrive, a repeated one arrives twice, a late one after the others") {
    SECTION("lost") {
        network n(sim::fault_plan().set(sim::fault::lost_datagram, 1));
        n.send(1);
        n.pass(10s);
        CHECK(n.arrived.empty());
        CHECK(n.world.happened.events().back().what == "lose");
    }
    SECTION("repeated") {
        network n(sim::fault_plan().set(sim::fault::repeated_datagram, 1));
        n.send(1);
        n.pass(10s);
        CHECK(n.arrived == std::vector{1, 1});
    }
    SECTION("late") {
        network n(sim::fault_plan().set(sim::fault::late_datagram, 1));
        n.send(1);
        n.world.options.faults = {};
        n.pass(1us);
        n.send(2);
        n.pass(2s);
        CHECK(n.arrived == std::vector{2, 1});
    }
    SECTION("some of each") {
        network n(
            sim::fault_plan().set(sim::fault::lost_datagram, 0.2).set(sim::fault::repeated_datagram, 0.2));
        for (int i = 0; i < 1000; ++i) n.send(i);
        n.pass(10s);
        const auto lost = static_cast<std::size_t>(
            n.world.fault_counts[static_cast<std::size_t>(sim::fault::lost_datagram)]);
        const auto twice = static_cast<std::size_t>(
            n.world.fault_counts[static_cast<std::size_t>(sim::fault::repeated_datagram)]);
        CHECK(lost > 100);
        CHECK(twice > 100);
        CHECK(n.arrived.size() == 1000 - lost + twice);
    }
}

TEST_CASE("datagrams do not wait: at a cut, or at a host that is down, they are lost") {
    network n;
    n.world.link(n.from, n.to).cut = true;
    n.send(1);
    n.pass(10ms);
    n.world.mend(n.world.link(n.from, n.to));
    n.pass(10ms);
    n.to.up = false;
    n.send(2);
    n.pass(10ms);
    n.to.up = true;
    n.send(3);
    n.pass(10ms);
    CHECK(n.arrived == std::vector{3});
}

TEST_CASE("datagrams that wait at a host which stands still arrive later, unless it crashes") {
    const bool crashes = GENERATE(false, true);
    network n;
    n.to.boot();
    n.to.pause(1s);
    n.send(1);
    n.pass(10ms);
    if (crashes) {
        n.to.crash();
        n.to.boot();
    }
    n.pass(2s);
    CHECK(n.arrived == (crashes ? std::vector<int>{} : std::vector{1}));
    n.to.crash();
}

TEST_CASE("datagrams share their link's bandwidth") {
    network n;
    auto& link = n.world.link(n.from, n.to);
    link.options.least = link.options.most = 1ms;
    link.options.bytes_per_second = 1000;  // 100 ms for each
    for (int i = 0; i < 5; ++i) n.send(i);
    n.pass(350ms);
    CHECK(n.arrived == std::vector{0, 1, 2});
    n.pass(200ms);
    CHECK(n.arrived == std::vector{0, 1, 2, 3, 4});
}
