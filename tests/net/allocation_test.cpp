// In the steady state, an echo round trip allocates nothing.
#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

using bight::task;

namespace {

task<> echo_by_reference(bight::stream& peer) {
    while (auto chunk = co_await peer.read_some()) co_await peer.write(chunk);
}

// A coroutine for each round trip, so that frames are counted, too.
task<> round_trip(bight::stream& peer) {
    char answer[64] = {};
    co_await peer.write(bight::const_buffer(answer, sizeof answer));
    co_await peer.read_exactly(bight::mutable_buffer(answer, sizeof answer));
}

}  // namespace

TEST_CASE("an echo round trip allocates nothing in the steady state") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto family = GENERATE(from_range(test::those_here({test::family::tcp, test::family::unix_path})));
    CAPTURE(kind, family);
    test::reactor_fixture on(kind);
    long counted_allocations = -1;
    auto both = [&]() -> task<> {
        auto pair = co_await test::connected_pair(family);
        auto talk = [&]() -> task<> {
            for (int i = 0; i < 200; ++i) co_await round_trip(pair.client);
            const long before = test::allocations();
            for (int i = 0; i < 1000; ++i) co_await round_trip(pair.client);
            counted_allocations = test::allocations() - before;
            co_await pair.client.shutdown_write();
        };
        co_await bight::when_all(echo_by_reference(pair.server), talk());
    };
    on.run(both);
    CHECK(counted_allocations == 0);
}

TEST_CASE("timers, yields, spawns and time-outs allocate nothing in the steady state") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    long counted_allocations = -1;
    auto all = [&]() -> task<> {
        auto nothing = []() -> task<> { co_await bight::yield(); };
        auto round = [&](bight::group& g) -> task<> {
            g.spawn(nothing);
            co_await bight::sleep_for(std::chrono::nanoseconds(1));
            co_await bight::try_with_timeout(nothing(), std::chrono::seconds(1));
            co_await bight::when_all(nothing(), nothing());
        };
        for (int i = 0; i < 50; ++i) co_await bight::with_group(round);
        const long before = test::allocations();
        for (int i = 0; i < 500; ++i) co_await bight::with_group(round);
        counted_allocations = test::allocations() - before;
    };
    on.run(all);
    CHECK(counted_allocations == 0);
}
