// Several reactors on a host: a main function with a runtime, as on a machine.
#include "faulty.hpp"

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <chrono>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using bight::runtime;
using bight::sharded_listener;
using bight::stream;
using bight::task;
namespace sim = bight::sim;

namespace {

task<> echo(stream peer) {
    while (auto chunk = co_await peer.read_some()) co_await peer.write(chunk);
}


bight::serve_options spread(bight::sharding how) {
    bight::serve_options options;
    options.listen.sharding = how;
    return options;
}

task<> ask(std::string what) {
    stream s = co_await bight::connect("tcp:server:7000");
    co_await s.write(what);
    std::string answer(what.size(), '\0');
    co_await s.read_exactly(answer);
    CHECK(answer == what);
}

// Says which reactor of its runtime it runs on.
struct names_reactor {
    runtime& all;
    task<> operator()(stream peer) const {
        const std::string name = std::to_string(all.index_here());
        co_await peer.write(name);
        co_await peer.read_some();
    }
};

}  // namespace

TEST_CASE("a server for a runtime runs on the reactors of a simulated host, unchanged") {
    const auto how = GENERATE(bight::sharding::reuse_port, bight::sharding::hand_over);
    std::set<std::string> seen;
    std::size_t reactors = 0;
    sim::world_options options;
    options.processors = 3;
    sim::world w(1, options);
    w.add("server").on_boot([&] {
        runtime cores;
        reactors = cores.size();
        return bight::serve_on(cores, "tcp:7000", spread(how), names_reactor{cores});
    });
    w.add("client").run([&]() -> task<> {
        for (int i = 0; i < 20; ++i) {
            stream s = co_await bight::connect("tcp:server:7000");
            const auto name = co_await s.read_some();
            seen.insert(name.to_string());
        }
    });
    w.run();
    CHECK(reactors == 3);
    CHECK(seen == std::set<std::string>{"0", "1", "2"});
    CHECK(w.at("server").reactors().size() == 4);
}

TEST_CASE("a main function of bight::run runs on a simulated host, unchanged") {
    sim::world w(1);
    w.add("server").on_boot([] { return bight::run(bight::serve("tcp:7000", echo)); });
    w.add("client").run([] { return bight::run(ask("hello")); });
    w.run();
    CHECK(w.elapsed() > 0s);
}
