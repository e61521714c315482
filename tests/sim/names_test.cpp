// Connecting to names in a world: addresses that are silent, slow, or refuse, and clients that meet
// themselves.
#include "support/catch.hpp"
#include "support/connections.hpp"

#include <bight/bight.hpp>
#include <bight/net/resolver.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
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
    CHECK_THAT(what, Catch::Contains("10.9.9.9:80: " + bight::detail::errno_category().message(ETIMEDOUT)));
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

TEST_CASE(
    "with a black hole for IPv6, IPv4 has its turn after 250 ms, and the error lists all in their order") {
    sim::world_options options;
    options.ipv6_black_hole = true;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        sim::world w(seed, options);
        auto& server = w.add("server");
        server.on_boot(accept_all);
        auto& client = w.add("client");
        w.set_name("name", {"2001:db8::7", "2001:db8::8", server.ip()});
        outcome of;
        client.run([&] { return be_client(of); });
        w.run();
        CHECK(of.peer == server.ip() + ":80");
        CHECK(of.took >= 250ms);
        CHECK(of.took < 500ms);
        w.run_for(1s);
        CHECK(client.sockets() == 0);
    }
    sim::world w(1, options);
    auto& down = w.add("down");
    w.set_name("name", {"2001:db8::7", "2001:db8::8", down.ip(), "10.9.9.9"});
    outcome of;
    w.add("client").run([&] { return be_client(of); });
    w.run();
    CHECK_THAT(of.error, Catch::Contains("([2001:db8::7]:80: no answer, " + down.ip() +
                                         ":80: " + bight::detail::errno_category().message(ECONNREFUSED) +
                                         ", [2001:db8::8]:80: no answer, 10.9.9.9:80: no answer)"));
    CHECK(of.took >= 30s);
    CHECK(of.took < 31s);
}

TEST_CASE("where hosts have no IPv6, IPv4 has its turn at once") {
    sim::world w(1);
    auto& server = w.add("server");
    server.on_boot(accept_all);
    w.set_name("name", {"2001:db8::7", "2001:db8::8", server.ip()});
    outcome of;
    w.add("client").run([&] { return be_client(of); });
    w.run();
    CHECK(of.peer == server.ip() + ":80");
    CHECK(of.took < 250ms);
}

TEST_CASE("attempts begin 250 ms after each other, to the millisecond") {
    sim::world_options options;
    options.ipv6_black_hole = true;
    sim::world w(1, options);
    auto& client = w.add("client");
    w.set_name("name", {"2001:db8::7", "10.9.9.7", "2001:db8::8", "10.9.9.8"}, {.takes = 10ms});
    std::vector<bight::duration> begun;
    client.run([&]() -> task<> {
        auto count = [&]() -> task<> {
            for (int had = 0;;) {
                for (; had < static_cast<int>(client.sockets()); ++had) begun.push_back(w.elapsed());
                co_await bight::sleep_for(1ms);
            }
        };
        outcome of;
        co_await bight::when_any(be_client(of), count());
    });
    w.run();
    REQUIRE(begun.size() == 4);
    for (std::size_t i = 0; i < begun.size(); ++i) {
        const auto due = 10ms + 250ms * static_cast<int>(i);
        CAPTURE(i);
        CHECK(begun[i] >= due);
        CHECK(begun[i] <= due + 1ms);
    }
}

TEST_CASE(
    "a resolver that answers late is waited for, once for all, and a name that moves meanwhile has moved") {
    sim::world w(1);
    auto& old_server = w.add("old");
    auto& server = w.add("server");
    server.on_boot(accept_all);
    w.set_name("name", {old_server.ip()}, {.ttl = 1h, .takes = 3s});
    std::vector<outcome> of(5);
    w.add("client").run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) {
            for (outcome& o : of) g.spawn(be_client, std::ref(o));
        });
    });
    w.add("clock").run([&]() -> task<> {
        co_await bight::sleep_for(1s);
        w.set_name("name", {server.ip()});
    });
    w.run();
    for (const outcome& o : of) {
        CHECK(o.peer == server.ip() + ":80");
        CHECK(o.took >= 3s);
        CHECK(o.took < 3s + 250ms);
    }
    const std::string happened = w.trace().to_json_lines();
    const std::size_t first = happened.find("\"look up\"");
    REQUIRE(first != std::string::npos);
    CHECK(happened.find("\"look up\"", first + 1) == std::string::npos);
}

TEST_CASE("a world's names say how long they may be kept, and addresses have names there") {
    sim::world w(1);
    auto& server = w.add("server");
    auto& other = w.add("Other");
    w.set_name("Name", {"192.0.2.9"});
    w.set_name("name", {"192.0.2.7", "2001:DB8::7"}, {.ttl = 5min});
    w.add("client").run([&]() -> task<> {
        bight::resolver& names = bight::system_resolver();
        const bight::resolved_host found = co_await names.resolve("name", "https");
        CHECK(found.ttl == 5min);
        REQUIRE(found.addresses.size() == 2);
        CHECK(found.addresses[1].to_string() == "[2001:db8::7]:443");
        bight::resolve_options six;
        six.family = bight::address::family_type::ipv6;
        const bight::resolved_host of_ipv6 = co_await names.resolve("name", "https", six);
        CHECK(of_ipv6.addresses == std::vector<bight::address>{found.addresses[1]});
        const bight::resolved_host of_host = co_await names.resolve("server");
        CHECK_FALSE(of_host.ttl.has_value());
        const std::string by_name = co_await names.reverse(found.addresses[1]);
        CHECK(by_name == "Name");
        const std::string by_host = co_await names.reverse(bight::address::from_ip(server.ip(), 80));
        CHECK(by_host == "server");
        const auto nobody = co_await error_of(names.reverse(bight::address::from_ip("192.0.2.8", 0)));
        CHECK(nobody.category() == bight::resolver_category());
        const bight::resolved_host upper = co_await names.resolve("NAME", "https");
        CHECK(upper.addresses == found.addresses);
        const bight::resolved_host mixed = co_await names.resolve("other");
        CHECK(mixed.addresses.front().host() == other.ip());
    });
    w.run();
}
