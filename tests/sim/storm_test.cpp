// A few storms over the samples; `sh tests/run.sh storm SEEDS` has as many as are asked for.
#include "servers.hpp"
#include "storms.hpp"

#include "planted/kept_iterator.hpp"
#include "planted/lost_wakeup.hpp"
#include "planted/unbounded_queue.hpp"

#include "support/catch.hpp"

#include <bight/sim/explore.hpp>

namespace sim = bight::sim;

namespace {

using storm = void (*)(sim::world&, const storms::server_program&);

sim::exploration explore(storm hard_times, bight::task<> (*server)(), std::uint64_t seeds, bool quiet) {
    sim::explore_options options;
    options.seeds = seeds;
    options.world = storms::options();
    options.quiet = quiet;
    options.most_shrinking_runs = 20;
    return sim::explore([&](sim::world& w) { hard_times(w, server); }, options);
}

void check_found(bight::task<> (*server)()) {
    const auto result = explore(storms::chat, server, 1000, true);
    REQUIRE_FALSE(result.ok());
    INFO(result.failure->report);
    CHECK(result.seeds <= 1000);
}

}  // namespace

TEST_CASE("the chat sample keeps its promises in a storm") {
    const auto result = explore(storms::chat, chat_server, 60, false);
    CHECK(result.ok());
}

TEST_CASE("the broadcast sample keeps its promises in a storm") {
    const auto result = explore(storms::broadcast, broadcast_server, 60, false);
    CHECK(result.ok());
}

TEST_CASE("storms find a wake-up that is lost") { check_found(planted_lost_wakeup::server); }

TEST_CASE("storms find an iterator that is kept over an await") {
    check_found(planted_kept_iterator::server);
}

TEST_CASE("storms find a queue without a bound") { check_found(planted_unbounded_queue::server); }
