// Descriptors that are passed on a simulated host.
#include "passed_descriptors.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/error_of.hpp"

#include <bight/bight.hpp>
#include <bight/net/descriptor_passing.hpp>
#include <bight/sim/world.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::owned_descriptor;
using bight::task;
using test::family;
using namespace std::chrono_literals;

namespace {

task<> echo_passed(bight::stream peer) {
    while (auto chunk = co_await peer.read_some()) co_await peer.write(chunk);
}

/// Serves what the front passes on.
task<> serve_passed() {
    bight::listener l = bight::listen("unix:@work");
    bight::stream front = co_await l.accept();
    auto each = [&](bight::group& g) -> task<> {
        char byte = 0;
        for (;;) {
            auto got = co_await bight::receive_descriptors(front, bight::mutable_buffer(&byte, 1));
            if (got.size == 0) break;
            for (auto& one : got.descriptors) {
                bight::stream s = co_await bight::connect(one.as_endpoint());
                g.spawn(echo_passed(std::move(s)));
            }
        }
    };
    co_await bight::with_group(each);
}

/// Accepts, and keeps nothing, so that one connection at a time is enough.
task<> pass_to_worker(bight::stream& worker, int& connections, bight::stream client) {
    const owned_descriptor socket = bight::release_descriptor(std::move(client));
    co_await bight::send_descriptor(worker, socket.get(), "c");
    --connections;
}

task<> accept_for_others(int connections) {
    bight::stream worker = co_await bight::connect("unix:@work");
    bight::serve_options one;
    one.max_connections = 1;
    auto all_are_passed = [&]() -> task<> {
        while (connections > 0) co_await bight::sleep_for(100ms);
    };
    co_await bight::race(
        bight::serve("tcp:7000", one, pass_to_worker, std::ref(worker), std::ref(connections)),
        all_are_passed());
    co_await worker.close();
}

}  // namespace

TEST_CASE("passing: on a simulated host, too, and nothing is left open, whatever the seed") {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        CAPTURE(seed);
        bight::sim::world_options options;
        options.personality = bight::sim::personalities[seed % bight::sim::personalities.size()];
        options.faults = bight::sim::fault_plan::storm().without_harm();
        bight::sim::world w(seed, options);
        auto& server = w.add("server");
        int echoed = 0;
        server.run([] { return serve_passed(); });
        server.run([]() -> task<> {
            co_await bight::sleep_for(1s);
            co_await accept_for_others(3);
        });
        auto& client = w.add("client");
        for (int i = 0; i < 3; ++i) {
            client.run([&echoed]() -> task<> {
                co_await bight::sleep_for(2s);
                bight::stream s = co_await bight::connect("tcp:server:7000");
                co_await s.write("hello");
                char answer[5];
                co_await s.read_exactly(bight::mutable_buffer(answer, 5));
                if (std::string(answer, 5) == "hello") ++echoed;
                co_await s.close();
            });
        }
        w.run();
        CHECK(echoed == 3);
        w.run_for(1min);
        CHECK(server.sockets() == 0);
    }
}

TEST_CASE("passing: a simulated host closes what nobody takes, and refuses more than it can have open") {
    bight::sim::world_options options;
    options.sockets_per_host = 20;
    bight::sim::world w(7, options);
    auto& server = w.add("server");
    server.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_abstract);
        bight::listener l = bight::listen("tcp:7000");
        const std::size_t before = server.sockets();
        co_await bight::send_descriptor(pair.client, l.native_handle(), "a");
        CHECK(server.sockets() == before + 1);
        const bight::chunk unwanted = co_await pair.server.read_some();
        CHECK(unwanted.view() == "a");
        CHECK(server.sockets() == before);

        auto asked = co_await test::connected_pair(family::unix_abstract);
        bight::accept_descriptors(asked.server, 2);
        const std::vector<int> four(4, l.native_handle());
        co_await bight::send_descriptors(asked.client, four, "b");
        co_await asked.server.read_some();
        auto got = bight::take_descriptors(asked.server);
        CHECK(got.descriptors.size() == 2);
        CHECK(got.missing == bight::errc::too_long);
        got = {};
        CHECK(server.sockets() == before + 2);

        const std::vector<int> many(30, l.native_handle());
        const auto error = co_await test::error_of(bight::send_descriptors(asked.client, many, "c"));
        CHECK(error == test::from_errno(ETOOMANYREFS));
        const auto unknown = co_await test::error_of(bight::send_descriptor(asked.client, 0, "c"));
        CHECK(unknown == std::errc::bad_file_descriptor);
        co_await bight::send_descriptor(asked.client, l.native_handle(), "d");
        asked.server.abort();
        asked.client.abort();
        CHECK(server.sockets() == before);
    });
    w.run();
}
