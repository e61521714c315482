// Connecting to names in a world: addresses that are silent, slow, or refuse, and clients that meet
// themselves.
#include "support/catch.hpp"
#include "support/connections.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <system_error>
#include <vector>

using bight::connect;
using bight::task;
using test::error_of;
using test::from_errno;
using namespace std::chrono_literals;
namespace sim = bight::sim;

namespace {

// One that listens at port 80 of its own address, and accepts all.
task<> accept_all() {
    bight::listener l = bight::listen("tcp:80");
    std::vector<bight::stream> all;
    for (;;) {
        bight::stream s = co_await l.accept();
        all.push_back(std::move(s));
    }
}

// A simulated client of "name", and what it came to, after how long.
struct outcome {
    std::string peer;
    std::string error;
    bight::duration took{};
};

task<> be_client(outcome& of) {
    const auto begin = bight::reactor::current()->now();
    try {
        const bight::stream s = co_await connect("tcp:name:80");
        of.peer = s.peer().to_string();
    } catch (const std::system_error& e) {
        of.error = e.what();
    }
    of.took = bight::reactor::current()->now() - begin;
}

}  // namespace

TEST_CASE("the next address begins when one has been silent for a quarter of a second") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        sim::world w(seed);
        auto& server = w.add("server");
        server.on_boot(accept_all);
        auto& client = w.add("client");
        w.set_name("name", {"10.9.9.7", "10.9.9.8", "10.9.9.9", server.ip()});
        outcome of;
        client.run([&] { return be_client(of); });
        w.run();
        CHECK(of.peer == server.ip() + ":80");
        CHECK(of.took >= 750ms);
        CHECK(of.took < 1s);
        w.run_for(1s);
        CHECK(client.sockets() == 0);
    }
}

TEST_CASE("an address that refuses makes way at once") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        sim::world w(seed);
        auto& down = w.add("down");
        auto& server = w.add("server");
        server.on_boot(accept_all);
        w.set_name("name", {down.ip(), server.ip()});
        outcome of;
        w.add("client").run([&] { return be_client(of); });
        w.run();
        CHECK(of.peer == server.ip() + ":80");
        CHECK(of.took < 250ms);
    }
}

TEST_CASE("the first address to answer wins, whichever began first, and the others are closed") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        sim::world w(seed);
        auto& slow = w.add("slow");
        slow.on_boot(accept_all);
        auto& client = w.add("client");
        sim::link_options far;
        far.least = far.most = 400ms / 2;  // one way
        w.set_link(slow, client, far);
        w.set_name("name", {slow.ip(), "10.9.9.9"});
        outcome of;
        client.run([&] { return be_client(of); });
        w.run();
        CHECK(of.peer == slow.ip() + ":80");
        CHECK(of.took >= 400ms);
        w.run_for(1s);
        CHECK(client.sockets() == 0);
    }
}

TEST_CASE("the error of a name says most: refused, not silent") {
    sim::world w(1);
    auto& down = w.add("down");
    w.set_name("name", {"10.9.9.9", down.ip()});
    std::error_code error;
    std::string what;
    w.add("client").run([&]() -> task<> {
        bight::connect_options options;
        options.timeout = 1h;
        try {
            co_await connect("tcp:name:80", options);
        } catch (const std::system_error& e) {
            error = e.code();
            what = e.what();
        }
    });
    w.run();
    CHECK(error == from_errno(ECONNREFUSED));
    CHECK_THAT(what, Catch::Contains("10.9.9.9:80: Connection timed out"));
}

TEST_CASE("a client of a dead port of its own host meets itself now and then, and is refused") {
    sim::world w(1);
    int refused = 0;
    auto& client = w.add("client");
    client.run([&]() -> task<> {
        for (const char* where : {"tcp:127.0.0.1:32770", "tcp:client:32780"}) {
            for (int i = 0; i < 20; ++i) {  // ports are given out from 32768 on
                const auto error = co_await error_of(connect(where));
                refused += error == from_errno(ECONNREFUSED);
            }
        }
        const bight::listener l = bight::listen("tcp:32770");
    });
    w.run();
    CHECK(refused == 40);
    CHECK_THAT(w.trace().to_json_lines(), Catch::Contains("\"connected\""));
    CHECK(client.sockets() == 0);
}

TEST_CASE("ten servers are connected to at once, in the time that one takes") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        sim::world_options options;
        options.link.least = options.link.most = 100ms;
        sim::world w(seed, options);
        for (int i = 0; i < 10; ++i) w.add("server" + std::to_string(i)).on_boot(accept_all);
        std::vector<bight::duration> took(10);
        auto one = [&](int i) -> task<> {
            const auto begin = bight::reactor::current()->now();
            const bight::stream s = co_await connect("tcp:server" + std::to_string(i) + ":80");
            took[static_cast<std::size_t>(i)] = bight::reactor::current()->now() - begin;
        };
        bight::duration all{};
        w.add("client").run([&]() -> task<> {
            co_await bight::sleep_for(1s);  // by then all servers listen
            const auto begin = bight::reactor::current()->now();
            co_await bight::with_group([&](bight::group& g) {
                for (int i = 0; i < 10; ++i) g.spawn(one, i);
            });
            all = bight::reactor::current()->now() - begin;
        });
        w.run();
        CHECK(*std::min_element(took.begin(), took.end()) >= 200ms);  // there and back
        CHECK(all < 400ms);                                           // one after the other: two seconds
    }
}

TEST_CASE("what never answers is given up after thirty seconds, unless told otherwise") {
    sim::world w(1);
    auto& client = w.add("client");
    w.set_name("name", {"10.9.9.9"});
    outcome of;
    client.run([&] { return be_client(of); });
    w.run();
    CHECK(of.took >= 30s);
    CHECK(of.took < 31s);
    CHECK(of.error.find("tcp:name:80") != std::string::npos);
    CHECK(client.sockets() == 0);
}
