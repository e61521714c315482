// What the network says of datagrams: told to receives, once each, the same on every demultiplexer, and never
// the end of the socket.
#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include "datagrams.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>

#ifdef __linux__
#include <linux/net_tstamp.h>
#include <sys/socket.h>
#endif

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using bight::address;
using bight::datagram_socket;
using bight::task;
using test::error_of;
using test::udp_at_loopback;
using namespace std::chrono_literals;

namespace {

// A port of 127.0.0.1 that nobody has.
std::uint16_t free_port() { return udp_at_loopback().local().port(); }

// What the next receive gives.
task<std::string> next(datagram_socket& s) {
    std::array<char, 100> memory{};
    const auto got = co_await bight::as_result(s.receive_from(memory));
    if (got) co_return std::string(memory.data(), got->size);
    co_return got.error() == std::errc::connection_refused ? "refused" : got.error().message();
}

task<> next_into(datagram_socket& s, std::string& told) { told = co_await next(s); }

task<std::string> outcome_of(datagram_socket& s, std::string text) {
    const auto code = co_await error_of(s.send(text));
    co_return code ? text + ": " + code.message() : text + ": sent";
}

// The same script everywhere, and what came of it.
task<std::vector<std::string>> conversation() {
    std::vector<std::string> seen;
    const std::uint16_t port = free_port();
    datagram_socket client = co_await datagram_socket::connect("udp:127.0.0.1:" + std::to_string(port));
    // One at a time.
    for (int i = 0; i < 2; ++i) {
        seen.push_back(co_await outcome_of(client, "nobody there"));
        seen.push_back(co_await next(client));
    }
    // A receive that waits already.
    auto waits = [&](bight::group& g) -> task<> {
        g.spawn([&]() -> task<> { seen.push_back(co_await next(client)); });
        co_await test::turns(3);
        const std::string sent = co_await outcome_of(client, "one waits");
        CHECK(sent == "one waits: sent");
    };
    co_await bight::with_group(waits);
    // Somebody comes.
    datagram_socket server = datagram_socket::bind("udp:" + std::to_string(port) + ":interface=127.0.0.1");
    seen.push_back(co_await outcome_of(client, "hello"));
    seen.push_back(co_await next(server));
    co_await server.send_to(client.local(), "welcome");
    seen.push_back(co_await next(client));
    // And goes.
    server.close();
    seen.push_back(co_await outcome_of(client, "gone"));
    seen.push_back(co_await next(client));
    co_return seen;
}

}  // namespace

TEST_CASE("a conversation with a port that nobody has, has, and has no more, is the same everywhere") {
    const auto kind = GENERATE(from_range(test::reactors_and_personalities()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    const std::vector<std::string> seen = on.run([] { return conversation(); });
    CHECK(seen == std::vector<std::string>{"nobody there: sent", "refused", "nobody there: sent", "refused",
                                           "refused", "hello: sent", "hello", "welcome", "gone: sent",
                                           "refused"});
}

TEST_CASE("sends to nobody go on for ever, and are no error; a receive is told") {
    const auto kind = GENERATE(from_range(test::reactors_and_personalities()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        datagram_socket client =
            co_await datagram_socket::connect("udp:127.0.0.1:" + std::to_string(free_port()));
        for (int i = 0; i < 20; ++i) {
            const std::string sent = co_await outcome_of(client, "x");
            CHECK(sent == "x: sent");
            if (i % 5 == 0) co_await bight::sleep_for(1ms);
        }
        const std::string told = co_await next(client);
        CHECK(told == "refused");
    });
}

TEST_CASE("each of several receives that wait is told of one refused datagram, and the others wait on") {
    const auto kind = GENERATE(from_range(test::reactors_and_personalities()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        datagram_socket client =
            co_await datagram_socket::connect("udp:127.0.0.1:" + std::to_string(free_port()));
        std::vector<std::string> seen;
        auto all = [&](bight::group& g) -> task<> {
            for (int i = 0; i < 3; ++i) {
                g.spawn([&]() -> task<> { seen.push_back(co_await next(client)); });
            }
            co_await test::turns(3);
            for (std::size_t i = 1; i <= 3; ++i) {
                co_await client.send("x");
                while (seen.size() < i) co_await bight::sleep_for(1ms);
                co_await test::turns(5);
                CHECK(seen.size() == i);
            }
        };
        co_await bight::with_group(all);
        CHECK(seen == std::vector<std::string>{"refused", "refused", "refused"});
    });
}

TEST_CASE("refusals that come at once are told to as many receives as wait") {
    const auto kind = GENERATE(from_range(test::reactors_and_personalities()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        datagram_socket client =
            co_await datagram_socket::connect("udp:127.0.0.1:" + std::to_string(free_port()));
        std::vector<std::string> seen;
        auto all = [&](bight::group& g) -> task<> {
            for (int i = 0; i < 3; ++i) {
                g.spawn([&]() -> task<> { seen.push_back(co_await next(client)); });
            }
            co_await test::turns(3);
            for (int i = 0; i < 3; ++i) co_await client.send("x");
            for (int i = 0; i < 1000 && seen.size() < 3; ++i) co_await bight::sleep_for(1ms);
            CHECK(seen == std::vector<std::string>{"refused", "refused", "refused"});
            g.cancel();
        };
        co_await bight::with_group(all);
    });
}

TEST_CASE("a receive that is cancelled leaves what it would have been told to the next") {
    const auto kind = GENERATE(from_range(test::reactors_and_personalities()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        datagram_socket client =
            co_await datagram_socket::connect("udp:127.0.0.1:" + std::to_string(free_port()));
        for (int round = 0; round < 20; ++round) {
            std::string told;
            test::cancellable one;
            auto all = [&](bight::group& g) -> task<> {
                g.spawn(one.run(next_into(client, told)));
                co_await test::turns(3);
                co_await client.send("x");
                co_await test::turns(round % 5);
                one.cancel();
            };
            co_await bight::with_group(all);
            if (told.empty()) told = co_await next(client);
            CHECK(told == "refused");
        }
    });
}

TEST_CASE("a socket without a peer is told nothing of refused datagrams, and goes on") {
    const auto kind = GENERATE(from_range(test::reactors_and_personalities()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        datagram_socket s = udp_at_loopback();
        const address nobody = address::from_ip("127.0.0.1", free_port());
        for (int i = 0; i < 3; ++i) {
            co_await s.send_to(nobody, "x");
            co_await bight::sleep_for(1ms);
        }
        co_await s.send_to(s.local(), "to itself");
        const std::string got = co_await next(s);
        CHECK(got == "to itself");
    });
}

TEST_CASE("an address without a way is an error of its own send, and the socket goes on") {
    // Needs a machine on which it is not routed: in the simulation IPv6 has only this host.
    const auto as = GENERATE(from_range(bight::sim::personalities));
    CAPTURE(bight::sim::name_of(as));
    test::reactor_fixture on(test::reactor_choice::simulated(1, as));
    on.run([]() -> task<> {
        datagram_socket s = datagram_socket::bind("udp6:0");
        const auto code = co_await error_of(s.send_to(address::from_ip("2001:db8::1", 9), "x"));
        CHECK(code == std::errc::network_unreachable);
        co_await s.send_to(address::from_ip("::1", s.local().port()), "to itself");
        const std::string got = co_await next(s);
        CHECK(got == "to itself");
    });
}

#ifdef __linux__

TEST_CASE(
    "a message in the error queue does not keep a receive busy, which is told of a refusal all the same") {
    // poll and select report it again and again (docs/demultiplexers.md).
    const auto kind = GENERATE(bight::demultiplexer_kind::io_uring, bight::demultiplexer_kind::epoll);
    const bool refused = GENERATE(false, true);
    CAPTURE(kind, refused);
    test::need(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        datagram_socket server = udp_at_loopback();
        datagram_socket client = co_await datagram_socket::connect(test::udp_peer(server));
        const int flags =
            SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
        REQUIRE(::setsockopt(client.native_handle(), SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags) == 0);
        co_await client.send("a time stamp is made of this");
        // Cancelled in that wait, it loses nothing.
        const auto nothing_yet = co_await bight::try_with_timeout(next(client), 20ms);
        CHECK_FALSE(nothing_yet.has_value());
        std::string told;
        auto both = [&](bight::group& g) -> task<> {
            g.spawn(next_into(client, told));
            co_await bight::sleep_for(10ms);
            const std::uint64_t before = on.reactor().statistics().polls;
            co_await bight::sleep_for(50ms);
            CHECK(on.reactor().statistics().polls - before < 10);
            CHECK(told.empty());
            if (refused) {
                server.close();
                co_await client.send("x");
            } else {
                co_await server.send_to(client.local(), "at last");
            }
        };
        co_await bight::with_group(both);
        CHECK(told == (refused ? "refused" : "at last"));
    });
}

#endif
