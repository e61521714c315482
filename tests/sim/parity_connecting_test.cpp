// What the two ends of a young connection see of each other, the same on every demultiplexer and in a
// simulated world.
#include "support/catch.hpp"
#include "support/places.hpp"

#include <bight/bight.hpp>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

using bight::listener;
using bight::stream;
using bight::task;
using test::error_of;
using test::place_fixture;
using test::rest;

TEST_CASE("what was written before the accept is there, and so is the end after it") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string where;
    bool closed = false;
    on.run(
        [&]() -> task<> {
            listener l = bight::listen(on.new_endpoint());
            where = test::endpoint_to(l.local());
            co_await on.until([&] { return closed; });
            co_await on.settle();
            stream peer = co_await l.accept();
            const std::string all = co_await rest(peer);
            CHECK(all == "early, end");
            CHECK(peer.peer());
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            stream peer = co_await bight::connect(where);
            co_await peer.write("early");
            co_await peer.close(on.moment());
            closed = true;
        });
}

TEST_CASE("what a server says before it resets a young connection is read, and then the reset") {
    place_fixture on(GENERATE(from_range(test::tcp_places())));
    constexpr int connections = 10;
    std::string where;
    on.run(
        [&]() -> task<> {
            listener l = bight::listen(on.new_endpoint());
            where = test::endpoint_to(l.local());
            for (int i = 0; i < connections; ++i) {
                stream peer = co_await l.accept();
                co_await peer.write("busy");
                peer.abort();
            }
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            for (int i = 0; i < connections; ++i) {
                stream peer = co_await bight::connect(where);
                const std::string all = co_await rest(peer);
                CHECK(all == "busy, error " + std::to_string(ECONNRESET));
            }
        });
}

TEST_CASE("a server that closed its connections first can listen at the same place at once") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string where;
    int listening = 0;
    on.run(
        [&]() -> task<> {
            std::string again = on.new_endpoint();
            for (int i = 0; i < 2; ++i) {
                listener l = bight::listen(again);
                where = test::endpoint_to(l.local());
                if (on.is_tcp()) again = where + ":interface=" + test::escaped(l.local().host());
                ++listening;
                stream peer = co_await l.accept();
                co_await peer.close(on.moment());
            }
        },
        [&]() -> task<> {
            for (int i = 1; i <= 2; ++i) {
                co_await on.until([&] { return listening == i; });
                stream peer = co_await bight::connect(where);
                const std::string all = co_await rest(peer);
                CHECK(all == ", end");
            }
        });
}

TEST_CASE("pieces of no bytes are written as nothing, and a write of none waits for nobody") {
    place_fixture on(GENERATE(from_range(test::places())));
    bool closed = false;
    on.run_pair(
        [&](stream& peer) -> task<> {
            std::string got(4, '\0');
            co_await peer.read_exactly(got);
            CHECK(got == "abcd");
            co_await peer.close(on.moment());
            closed = true;
        },
        [&](stream& peer) -> task<> {
            const std::string none;
            const std::string ab = "ab";
            const std::string cd = "cd";
            co_await peer.write(none, ab, none, cd, none);
            co_await peer.write(none);
            co_await on.until([&] { return closed; });
            co_await on.settle();
            const auto error = co_await error_of(peer.write(none));
            if (on.is_tcp()) {
                CHECK(!error);
            } else {
                CHECK(error == test::from_errno(EPIPE));
            }
        });
}

TEST_CASE("who listens at every address is reached at each of the host's") {
    place_fixture on(GENERATE(from_range(test::places_of({test::family::tcp}))));
    std::optional<std::uint16_t> port;
    int wanted = 0;
    int came = 0;
    bool all_tried = false;
    on.run(
        [&]() -> task<> {
            listener l = bight::listen("tcp:0");
            port = l.local().port();
            while (!all_tried) {
                auto peer = co_await bight::try_with_timeout(l.accept(), on.moment());
                if (peer) ++came;
            }
        },
        [&]() -> task<> {
            co_await on.until([&] { return port.has_value(); });
            const std::vector<std::string> hosts =
                on.at().where == test::place::kind::two_hosts
                    ? std::vector<std::string>{"10.0.0.1", "server"}
                    : std::vector<std::string>{"127.0.0.1", "127.0.0.5", "0.0.0.0", "localhost"};
            for (const std::string& host : hosts) {
                CAPTURE(host);
                ++wanted;
                const std::string where = "tcp:" + host + ":" + std::to_string(*port);
                const auto peer = co_await bight::as_result(bight::connect(where));
                CHECK(peer.has_value());
            }
            co_await on.until([&] { return came == wanted; });
            all_tried = true;
        });
}
