// A server on three reactors, and a client that goes through a script with it: the same on every
// demultiplexer, with threads, and on a simulated host.
#include "support/catch.hpp"
#include "support/reactors.hpp"
#include "support/runtimes.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using bight::stream;
using bight::task;
namespace sim = bight::sim;

namespace {

// Connections go to the reactors in turn. A client may have a reactor close its listener, or stop all.
class server {
  public:
    explicit server(bight::runtime& on, const std::string& where)
        : cores_(on), where_(on, where, handed_over()), closes_(on.size()) {}

    int run() {
        return cores_.run([this](std::size_t index) { return shard(index); });
    }
    /// Where it is, once all reactors listen.
    std::optional<std::string> ready() const {
        if (listening_ < 3) return std::nullopt;
        return std::to_string(where_.local().port());
    }
    bool stopped_listening(std::size_t index) const { return closes_[index].done; }

  private:
    struct closing {
        bight::manual_reset_event asked;
        std::atomic<bool> done{false};
    };

    static bight::listen_options handed_over() {
        bight::listen_options options;
        options.sharding = bight::sharding::hand_over;
        return options;
    }
    task<> shard(std::size_t index) {
        bight::listener l = where_.listen();
        ++listening_;
        bight::serve_options options;
        options.drain = 0s;
        auto talks = [this, index](stream peer) -> task<> { co_await talk(index, peer); };
        auto serving = bight::serve(std::move(l), options, std::move(talks));
        co_await bight::when_any(std::move(serving), closes_[index].asked.wait());
        closes_[index].done = true;
        co_await bight::sleep_for(1h);
    }
    task<> talk(std::size_t index, stream& peer) {
        const std::string name = "reactor " + std::to_string(index) + "\n";
        co_await peer.write(name);
        bight::line_reader lines(peer, "\n");
        while (auto line = co_await lines.next()) {
            if (*line == "close") closes_[index].asked.set();
            if (*line == "stop") cores_.stop();
            co_await peer.write(*line + "\n");
        }
    }

    bight::runtime& cores_;
    bight::sharded_listener where_;
    std::atomic<int> listening_{0};
    std::vector<closing> closes_;
};

// What the client saw, line by line.
using transcript = std::vector<std::string>;

template <class Condition>
task<> until(Condition holds) {
    while (!holds()) co_await bight::sleep_for(1ms);
}

task<std::string> ask(stream& peer, std::string line) {
    bight::line_reader lines(peer, "\n");
    if (!line.empty()) co_await peer.write(line + "\n");
    auto answer = co_await lines.next();
    co_return answer ? *answer : "the end";
}

task<> script(const server* const& s, std::string host, transcript& seen) {
    co_await until([&] { return s && s->ready(); });
    const std::string where = "tcp:" + host + ":" + *s->ready();
    std::vector<stream> open;
    for (int i = 0; i < 6; ++i) {
        stream peer = co_await bight::connect(where);
        seen.push_back(co_await ask(peer, ""));
        open.push_back(std::move(peer));
    }
    for (stream& peer : open) seen.push_back(co_await ask(peer, "hello"));
    (void)co_await bight::as_result(ask(open[1], "close"));
    co_await until([&] { return s->stopped_listening(1); });
    for (int i = 0; i < 4; ++i) {
        stream peer = co_await bight::connect(where);
        seen.push_back(co_await ask(peer, ""));
        open.push_back(std::move(peer));
    }
    seen.push_back(co_await ask(open[2], "hello again"));
    (void)co_await bight::as_result(ask(open[0], "stop"));
}

const transcript expected_order{"reactor 0", "reactor 1", "reactor 2", "reactor 0", "reactor 1",  "reactor 2",
                                "hello",     "hello",     "hello",     "hello",     "hello",      "hello",
                                "reactor 0", "reactor 2", "reactor 0", "reactor 2", "hello again"};

}  // namespace

TEST_CASE("a sharded server goes through its script with threads, on every demultiplexer") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    INFO(test::name_of(kind));
    test::runtime_fixture on(kind, 3);
    transcript seen;
    {
        server s(on.runtime(), "tcp:0:interface=127.0.0.1");
        test::runtime_fixture::background serving(on.runtime(), [&] { return s.run(); });
        const server* const here = &s;
        bight::reactor_options options;
        options.demultiplexer = kind;
        bight::reactor client(options);
        client.run(script(here, "127.0.0.1", seen));
        CHECK(serving.wait() == 1);  // it was stopped
    }
    CHECK(seen == expected_order);
}

TEST_CASE("a sharded server goes through the same script on a simulated host, in every seed") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        sim::world_options options;
        if (seed > 10) options.faults = sim::fault_plan::storm().without_harm();
        transcript seen;
        int status = 0;
        const server* here = nullptr;
        sim::world w(seed, options);
        w.add("server").run([&] {
            bight::runtime_options three;
            three.reactors = 3;
            bight::runtime cores(three);
            server s(cores, "tcp:7000");
            here = &s;
            status = s.run();
            return 0;
        });
        w.add("client").run([&] { return script(here, "server", seen); });
        w.run();
        CHECK(status == 1);
        CHECK(seen == expected_order);
    }
}

TEST_CASE("a sharded server goes through the same script in a program that is its own world, in every seed") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        const test::environment_variable simulated("BIGHT_REACTOR", "sim:" + std::to_string(seed));
        transcript seen;
        bight::runtime_options three;
        three.reactors = 3;
        bight::runtime cores(three);
        CHECK(cores.reactor(2).demultiplexer_name() == "simulation");
        server s(cores, "tcp:7000");
        const server* const here = &s;
        cores.reactor(1).start([&] { return script(here, "localhost", seen); });
        CHECK(s.run() == 1);
        CHECK(seen == expected_order);
    }
}
