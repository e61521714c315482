// Durations without end, in what connects, serves, closes and simulates.
#include "black_hole.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/sim/scripted_peer.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <string>

using bight::connect;
using bight::task;
using namespace std::chrono_literals;
using std::chrono::hours;
namespace sim = bight::sim;

TEST_CASE("a connect may take for ever, in hours") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        const test::black_hole hole;
        bight::connect_options options;
        options.timeout = hours::max();
        auto wait = [&]() -> task<> {
            const bight::stream s = co_await connect(hole.endpoint(), options);
            FAIL_CHECK("connected");
        };
        const auto ended = co_await bight::when_any(wait(), bight::sleep_for(20ms));
        CHECK(ended.index == 1);
    });
}

TEST_CASE("a stream may take for ever to close, in hours, whoever closes it") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    on.run([]() -> task<> {
        const std::string large(4'000'000, 'x');
        for (const bool by_handle : {true, false}) {
            auto pair = co_await test::connected_pair(test::family::tcp);
            std::string got;
            auto write = [&, stream = std::move(pair.client)]() mutable -> task<> {
                bight::stream s = std::move(stream);
                s.set_close_deadline(hours::max());
                co_await s.write(large);
                if (by_handle) co_return;
                co_await s.shutdown_write(hours::max());
                co_await s.close(hours::max());
            };
            auto read = [&]() -> task<> {
                co_await bight::sleep_for(10ms);
                got = co_await test::read_all(pair.server);
                co_await pair.server.close(hours::max());
            };
            co_await bight::when_all(write(), read());
            CHECK((got == large));
        }
    });
}

TEST_CASE("a server may drain for ever, in hours") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bool finished = false;
    on.run([&]() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const std::string where = test::endpoint_to(l.local());
        auto protocol = [&](bight::stream s) -> task<> {
            co_await s.write("x");
            co_await bight::sleep_for(30ms);
            finished = true;
        };
        bight::serve_options options;
        options.drain = options.close_deadline = hours::max();
        auto client = [&]() -> task<> {
            bight::stream s = co_await connect(where);
            const bight::chunk begun = co_await s.read_some();
        };
        co_await bight::when_any(bight::serve(std::move(l), options, protocol), client());
    });
    CHECK(finished);
}

TEST_CASE("in a world, for ever, in hours, is for ever") {
    sim::world_options options;
    options.limit = hours::max();
    sim::world w(1, options);
    auto& server = w.add("server");
    server.on_boot([]() -> task<> {
        bight::listener l = bight::listen("tcp:80");
        const bight::stream s = co_await l.accept();
        co_await bight::sleep_for(hours::max());
    });
    bool timed_out = false;
    auto& client = w.add("client");
    client.run([&]() -> task<> {
        const bight::stream s = co_await connect("tcp:server:80");
        co_await bight::sleep_for(24h * 365);
        timed_out = true;
    });
    w.run();
    CHECK(timed_out);
    bool ran = false;
    client.pause(hours::max());
    client.run([&]() -> task<> {
        ran = true;
        co_return;
    });
    CHECK_FALSE(w.run_for(24h * 365));
    CHECK_FALSE(ran);
}
