// The demonstration of the broadcast sample: two clients, each of which answers what it hears after five
// seconds.
#include "samples.hpp"

#include "support/catch.hpp"

#include <bight/sim/world.hpp>

#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
namespace sim = bight::sim;

namespace {

struct spread {
    std::string by;
    bight::duration at{};
    friend bool operator==(const spread&, const spread&) = default;
};

std::vector<spread> what_arrived_at(const sim::world& w, const std::string& host) {
    std::vector<spread> found;
    for (const sim::trace_event& e : w.trace().events()) {
        if (e.what == "arrive" && e.to == host) found.push_back({std::string(e.from), e.at});
    }
    return found;
}

}  // namespace

template <>
struct Catch::StringMaker<spread> {
    static std::string convert(const spread& s) {
        return s.by + " at " + std::to_string(std::chrono::duration<double>(s.at).count());
    }
};

TEST_CASE("ids are of the seed, and the date is the world's") {
    ::setenv("TZ", "UTC0", 1);
    const auto run = [](std::uint64_t seed) {
        broadcast_sample::hall hall;
        std::string said;
        sim::world w(seed);
        w.add("server").on_boot(
            [&] { return bight::serve("tcp:8006", broadcast_sample::broadcast, std::ref(hall)); });
        w.add("alice").run(
            []() -> task<> { co_await broadcast_client_sample::client("Alice", "tcp:server:8006"); });
        w.add("bob").run([&]() -> task<> {
            bight::stream peer = co_await bight::connect("tcp:server:8006");
            while (said.find("hello") == said.npos) {
                auto data = co_await peer.read_some();
                said += data.view();
            }
        });
        CHECK_FALSE(w.run_for(7s));
        CHECK(said.find("hello, I'm Alice 2026-01-01 00:00:05\n") != said.npos);
        return hall.clients.empty() ? std::string() : hall.clients.front().id;
    };
    const std::string id = run(1);
    CHECK(id.size() == 8);
    CHECK(run(1) == id);
    CHECK(run(2) != id);
}

TEST_CASE(
    "the first client speaks after five seconds, then the two answer each other every five, to the "
    "nanosecond") {
    sim::world_options options;
    options.link = {0ns, 0ns, 0ns, 0};
    broadcast_sample::hall hall;
    sim::world w(2025, options);
    w.add("server").on_boot(
        [&] { return bight::serve("tcp:8006", broadcast_sample::broadcast, std::ref(hall)); });
    const auto client = [](std::string name) -> task<> {
        co_await broadcast_client_sample::client(std::move(name), "tcp:10.0.0.1:8006");
    };
    w.add("alice").run([&] { return client("Alice"); });
    CHECK_FALSE(w.run_for(15'779ms));
    w.add("bob").run([&] { return client("Bob"); });
    CHECK_FALSE(w.run_for(20s));

    const bight::duration bob = 15'779ms;
    CHECK(what_arrived_at(w, "server") == std::vector<spread>{{"alice", 5s},
                                                              {"bob", bob + 5s},
                                                              {"alice", bob + 10s},
                                                              {"bob", bob + 15s},
                                                              {"alice", bob + 20s}});
    CHECK(what_arrived_at(w, "bob").front() == spread{"server", bob});
    CHECK(hall.total == 2);
    CHECK(hall.clients.size() == 2);
}
