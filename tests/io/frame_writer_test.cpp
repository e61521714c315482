// Frames into a stream.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/each_reactor.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/io/frame_reader.hpp>
#include <bight/io/frame_writer.hpp>
#include <bight/sim/memory_stream.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

using bight::errc;
using bight::frame_writer;
using bight::framing;
using bight::length_prefix;
using bight::task;
using test::connected_pair;
using test::error_of;
using namespace std::string_literals;
namespace sim = bight::sim;

TEST_CASE("frames are written whole and in order, in any framing, and between them what else is written") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        frame_writer out(pair.client, framing::lines());
        co_await out.write("hello");
        out.switch_to(framing::netstrings());
        co_await out.write("");
        co_await out.write("twelve bytes");
        co_await pair.client.write("(raw)");
        out.switch_to(framing::prefixed(length_prefix::uint16));
        const std::vector<unsigned char> bytes{1, 2, 3};
        co_await out.write(bytes);
        co_await pair.client.shutdown_write();
        std::string got;
        while (const auto some = co_await pair.server.read_some()) got += some.view();
        CHECK(got == "hello\r\n0:,12:twelve bytes,(raw)\0\x03\x01\x02\x03"s);
    });
}

TEST_CASE("what can be no frame is refused, and nothing of it is written") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        frame_writer out(pair.client, framing::lines(bight::line_end::crlf, 5));
        const auto two_lines = co_await error_of(out.write("a\r\nb"));
        CHECK(two_lines == std::errc::invalid_argument);
        const auto longer = co_await error_of(out.write("123456"));
        CHECK(longer == errc::too_long);
        co_await out.write("12345");
        co_await pair.client.shutdown_write();
        const auto got = co_await pair.server.read_until("\r\n");
        CHECK(got == "12345\r\n");
    });
}

TEST_CASE("frames to a buffered_writer go out together") {
    test::virtual_fixture on;
    on.run([]() -> task<> {
        auto [from, to] = sim::memory_pair();
        bight::buffered_writer gathered(from);
        frame_writer out(gathered, framing::netstrings());
        for (const char* const text : {"a", "bc", ""}) co_await out.write(text);
        CHECK(gathered.buffered() == 12);
        const auto all = co_await to.read_some();
        CHECK(all.view() == "1:a,2:bc,0:,");
    });
}

TEST_CASE("a writer whose framing is switched while it waits ends its frame as it began") {
    test::virtual_fixture on;
    on.run([]() -> task<> {
        sim::memory_direction forth;
        forth.capacity = 4;
        auto [from, to] = sim::memory_pair(sim::memory_options(forth, sim::memory_direction()));
        const std::string end = "a delimiter that has memory of its own";
        frame_writer out(from, framing::delimited(end));
        std::string got;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                co_await out.write("hello");
                co_await out.write("hi");
                co_await from.shutdown_write();
            });
            co_await bight::yield();
            out.switch_to(framing::netstrings());
            while (const auto some = co_await to.read_some()) got += some.view();
        });
        CHECK(got == "hello" + end + "2:hi,");
    });
}

TEST_CASE("a frame waits until the stream has taken it, and one that is given up leaves no whole") {
    test::on_each_reactor([]() -> task<> {
        sim::memory_direction forth;
        forth.capacity = 4;
        auto [from, to] = sim::memory_pair(sim::memory_options(forth, sim::memory_direction()));
        frame_writer out(from, framing::netstrings());
        const auto taken =
            co_await bight::try_with_timeout(out.write("longer than four"), std::chrono::milliseconds(1));
        CHECK_FALSE(taken);
        const auto closed = co_await error_of(from.close());
        CHECK(closed == errc::aborted);
        bight::frame_reader frames(to, framing::netstrings());
        const auto frame = co_await error_of(frames.next());
        CHECK(frame == std::errc::connection_reset);
    });
}

TEST_CASE("an error of the connection is the frame_writer's") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        frame_writer out(pair.client, framing::netstrings());
        pair.client.abort();
        const auto written = co_await error_of(out.write("a"));
        CHECK(written == errc::aborted);
    });
}
