// Worlds in which one thing goes wrong, and how often and how badly it does.
#pragma once

#include "support/catch.hpp"
#include "support/connections.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <functional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace test {

inline bight::sim::world_options with(bight::sim::fault f, double probability = 1) {
    bight::sim::world_options options;
    options.faults.set(f, probability);
    return options;
}

/// Every packet takes this long.
inline bight::sim::link_options always(bight::duration latency) { return {latency, latency, latency, 0}; }

using conversation = std::function<bight::task<>(bight::stream&)>;

/// A world of a server and a client, each of which has one end of a connection.
class pair_of_hosts {
  public:
    pair_of_hosts(bight::sim::world_options options, conversation server, conversation client,
                  std::uint64_t seed = 1)
        : serves_(std::move(server)), asks_(std::move(client)), world(seed, std::move(options)) {
        world.add("server").on_boot([this] {
            return bight::serve("tcp:7000",
                                [this](bight::stream peer) -> bight::task<> { co_await serves_(peer); });
        });
        world.add("client").run([this]() -> bight::task<> {
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            co_await asks_(peer);
        });
    }

  private:
    conversation serves_;
    conversation asks_;

  public:
    bight::sim::world world;  // its tasks use the others
};

/// The error that a connection attempt ends with, and when.
struct connect_outcome {
    std::error_code error;
    bight::duration after{};
};

inline connect_outcome connect_with(const bight::sim::world_options& options, std::uint64_t seed = 1) {
    bight::sim::world w(seed, options);
    w.add("server").on_boot([] {
        return bight::serve(
            "tcp:7000", [](bight::stream peer) -> bight::task<> { auto bytes = co_await peer.read_some(); });
    });
    connect_outcome seen;
    w.add("client").run([&]() -> bight::task<> {
        auto peer = co_await bight::as_result(bight::connect("tcp:server:7000"));
        if (!peer) seen.error = peer.error();
        seen.after = w.elapsed();
    });
    w.run();
    return seen;
}

/// Everything into `got`; the error that ended it, if it was no end.
inline bight::task<std::error_code> read_until_error(bight::stream& from, std::string& got) {
    for (;;) {
        auto data = co_await bight::as_result(from.read_some());
        if (!data) co_return data.error();
        if (!*data) co_return std::error_code();
        got += data->view();
    }
}

/// What was measured, of which each is an even draw from a range: all of it must be within, and reach far
/// into both halves.
inline void check_spread(const std::vector<bight::duration>& all, bight::duration least,
                         bight::duration most) {
    REQUIRE(all.size() >= 20);
    const auto [low, high] = std::minmax_element(all.begin(), all.end());
    CHECK(*low >= least);
    CHECK(*high <= most);
    CHECK(*low < least + (most - least) / 4);
    CHECK(*high > most - (most - least) / 4);
}

}  // namespace test
