// Writes that are given up on sockets: before their first byte, and amid.
#include "full_socket.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <sys/socket.h>

#include <chrono>
#include <string>

using bight::task;
using namespace std::chrono_literals;

TEST_CASE(
    "a write that was given up before its first byte, and followed by another, was never missing: sockets") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool large = GENERATE(false, true);
    CAPTURE(kind, large);
    const auto local = test::those_here({test::family::unix_abstract, test::family::tcp}).front();
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(local);
        const std::size_t filled = test::fill(pair.server.native_handle());
        const bool none = co_await bight::try_with_timeout(pair.server.write("abc"), 1ms);
        CHECK_FALSE(none);
        const std::string next = large ? test::pattern(0, 2'000'000) : "xyz";
        auto write = [&]() -> task<> {
            co_await pair.server.write(next);
            co_await pair.server.close();
        };
        const auto [nothing, all] = co_await bight::when_all(write(), test::rest(pair.client));
        (void)nothing;
        CHECK(all.size() == filled + next.size() + 5);
        CHECK((all.substr(filled) == next + ", end"));
    });
}

TEST_CASE("a write that was given up amid is a gap for ever: what follows does not make up for it") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(test::family::tcp);
        const std::string big(32 << 20, 'a');
        const bool none = co_await bight::try_with_timeout(pair.server.write(big), 1ms);
        CHECK_FALSE(none);
        auto write = [&]() -> task<> {
            (void)co_await test::error_of(pair.server.write("more"));
            const auto closed = co_await test::error_of(pair.server.close());
            CHECK(closed == bight::errc::aborted);
        };
        const auto [nothing, all] = co_await bight::when_all(write(), test::rest(pair.client));
        (void)nothing;
        CHECK(all.ends_with(", error " + std::to_string(ECONNRESET)));
    });
}

TEST_CASE("of two tasks that close one stream the second gets busy, and the first goes on") {
    const auto kind = GENERATE(from_range(test::reactors()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(test::family::tcp);
        const std::string big(8 << 20, 'a');
        auto write = [&]() -> task<> { co_await pair.server.write(big); };
        auto first = [&]() -> task<> { co_await pair.server.close(); };
        auto second = [&]() -> task<> {
            const auto code = co_await test::error_of(pair.server.close());
            CHECK(code == bight::errc::busy);
        };
        const auto all = co_await bight::when_all(write(), first(), second(), test::read_all(pair.client));
        CHECK(std::get<3>(all).size() == big.size());
    });
}

TEST_CASE("a write of which the socket takes a part at first arrives whole") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto family = GENERATE(from_range(test::families()));
    CAPTURE(kind, family);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(family);
        const int little = 16384;
        REQUIRE(::setsockopt(pair.server.native_handle(), SOL_SOCKET, SO_SNDBUF, &little, sizeof little) ==
                0);
        const std::string text = test::pattern(0, 900'000);  // one call may take all of it
        auto write = [&]() -> task<> {
            co_await pair.server.write(text);
            co_await pair.server.close();
        };
        const auto [nothing, all] = co_await bight::when_all(write(), test::read_all(pair.client));
        (void)nothing;
        CHECK((all == text));
    });
}

TEST_CASE("a write of which the socket has taken a part is cut when it is given up") {
    const auto families = test::those_here({test::family::unix_abstract, test::family::unix_path});
    if (families.empty()) test::skip(*test::no_unix_sockets());
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(families.front());
        const std::string text(900'000, 'a');
        const bool none = co_await bight::try_with_timeout(pair.server.write(text), 1ms);
        CHECK_FALSE(none);
        const auto closed = co_await test::error_of(pair.server.close());
        CHECK(closed == bight::errc::aborted);
    });
}
