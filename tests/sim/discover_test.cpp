// The discover sample: hosts that come and go, on a network that loses datagrams.
#include "samples.hpp"

#include "support/catch.hpp"

#include <bight/sim/explore.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using discover_sample::neighbours;
namespace sim = bight::sim;

namespace {

const std::string group_of_all = "udp:239.255.76.76:7676";

// A host that takes part whenever it is up, and what it knows.
struct participant {
    sim::host* host;
    std::shared_ptr<neighbours> known = std::make_shared<neighbours>();
};

participant add_participant(sim::world& w, const std::string& name) {
    participant p{&w.add(name)};
    p.host->on_boot([name, known = p.known]() {
        known->clear();  // as a program's memory is, when it begins
        return discover_sample::discover(name, group_of_all, 0, *known);
    });
    return p;
}

// In the order of the names: a program that has begun again within three seconds is there twice for a while.
std::string names_known_to(const participant& m) {
    std::vector<std::string> names;
    for (const auto& [from, who] : *m.known) names.push_back(who.name);
    std::ranges::sort(names);
    std::string all;
    for (const std::string& name : names) all += name + " ";
    return all;
}

}  // namespace

TEST_CASE(
    "discover: each host knows all that are up, within a second of their coming and three of their going") {
    sim::world_options options;
    options.link = {0ns, 0ns, 0ns, 0};
    sim::world w(1, options);
    const participant ann = add_participant(w, "ann");
    const participant bob = add_participant(w, "bob");
    w.run_for(1100ms);
    CHECK(names_known_to(ann) == "ann bob ");
    CHECK(names_known_to(bob) == "ann bob ");
    w.run_for(10s);
    const participant eve = add_participant(w, "eve");
    w.run_for(1ms);
    CHECK(names_known_to(ann) == "ann bob eve ");
    CHECK(names_known_to(eve) == "eve ");
    w.run_for(1s);
    CHECK(names_known_to(eve) == "ann bob eve ");
    bob.host->crash();  // it says no goodbye
    w.run_for(1900ms);
    CHECK(names_known_to(ann) == "ann bob eve ");
    w.run_for(2200ms);
    CHECK(names_known_to(ann) == "ann eve ");
    bob.host->restart();
    w.run_for(1100ms);
    for (const participant* m : {&ann, &bob, &eve}) CHECK(names_known_to(*m) == "ann bob eve ");
}

TEST_CASE("discover: a lost datagram or two send nobody away") {
    sim::world_options options;
    options.faults = sim::fault_plan()
                         .set(sim::fault::lost_datagram, 0.05)
                         .set(sim::fault::repeated_datagram, 0.2)
                         .set(sim::fault::late_datagram, 0.05);
    sim::world w(7, options);
    const participant ann = add_participant(w, "ann");
    const participant bob = add_participant(w, "bob");
    w.run_for(5s);
    int away = 0;
    for (int i = 0; i < 600; ++i) {
        w.run_for(1s);
        if (names_known_to(ann) != "ann bob " || names_known_to(bob) != "ann bob ") ++away;
    }
    CHECK(w.count(sim::fault::lost_datagram) > 50);
    CHECK(away < 10);
}

TEST_CASE("discover: after a storm everybody knows everybody, and none but them") {
    sim::explore_options options;
    options.seeds = 60;
    options.name = "discover";
    options.world.faults = sim::fault_plan::storm();
    const auto result = sim::explore(
        [](sim::world& w) {
            auto& all = w.own<std::vector<participant>>();
            for (const char* name : {"ann", "bob", "eve", "zoe"}) all.push_back(add_participant(w, name));
            w.run_for(30s);
            w.heal();
            w.run_for(10s);
            for (const participant& m : all) {
                const std::string known = names_known_to(m);
                if (known != "ann bob eve zoe ") throw std::runtime_error(m.host->name() + " knows " + known);
            }
        },
        options);
    CHECK(result.ok());
}

TEST_CASE("discover: a peer that says what it likes costs a bounded list, and two lines a second") {
    sim::world w(1);
    const participant ann = add_participant(w, "ann");
    w.run_for(1s);
    w.add("crowd").run([]() -> task<> {
        const bight::address to = bight::address::from_ip("239.255.76.76", 7676);
        std::vector<bight::datagram_socket> sockets;
        for (int i = 0; i < 300; ++i) sockets.push_back(bight::datagram_socket::bind("udp:0"));
        for (int round = 0; round < 20; ++round) {
            for (auto& s : sockets) {
                const std::string name = "m" + std::to_string(bight::random_below(1000));
                co_await s.send_to(to, round % 2 == 0 ? "+" : "-", name);
            }
            co_await bight::sleep_for(100ms);
        }
    });
    for (int i = 0; i < 20; ++i) {
        w.run_for(100ms);
        CHECK(ann.known->size() <= discover_sample::most_peers);
    }
    w.run_for(10s);
    CHECK(names_known_to(ann) == "ann ");
}
