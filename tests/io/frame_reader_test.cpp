// Frames out of a stream, however its bytes are cut, with the framing switched between them.
#include "on_memory.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/death.hpp"
#include "support/each_reactor.hpp"
#include "support/framed.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/io/frame_reader.hpp>
#include <bight/io/frame_writer.hpp>
#include <bight/sim/injection.hpp>
#include <bight/sim/memory_stream.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using bight::errc;
using bight::frame_reader;
using bight::framing;
using bight::framing_error;
using bight::framing_fault;
using bight::length_prefix;
using bight::task;
using test::connected_pair;
using test::error_of;
using test::fault_at;
using namespace std::string_literals;
namespace sim = bight::sim;

namespace {

using frame_list = std::vector<std::string>;

sim::memory_direction reads_cut(sim::chunking reads) {
    sim::memory_direction forth;
    forth.reads = std::move(reads);
    return forth;
}

std::string or_the_end(const std::optional<std::string>& frame) { return frame ? *frame : "(end)"; }

task<std::optional<fault_at>> fault_of(frame_reader& frames) {
    try {
        (void)co_await frames.next();
    } catch (const framing_error& e) {
        co_return fault_at::of(e);
    }
    co_return std::nullopt;
}

// What is sent, and what each framing in turn makes of it.
const std::string mixed = "HELLO\r\n4:body,\0\x02hi\x03zzzraw bytes\x01\0\0\0!STARTTLS\r\n\x16\x03\x01"s;
task<frame_list> converse_in_frames(bight::stream& from) {
    frame_list got;
    frame_reader frames(from, framing::lines());
    got.push_back(or_the_end(co_await frames.next()));
    frames.switch_to(framing::netstrings());
    const auto view = co_await frames.next_view();
    got.emplace_back(view ? *view : "(end)");
    frames.switch_to(framing::prefixed(length_prefix::uint16));
    got.push_back(or_the_end(co_await frames.next()));
    frames.switch_to(framing::prefixed(length_prefix::varint));
    got.push_back(or_the_end(co_await frames.next()));
    got.push_back(co_await frames.bytes().exactly(4));
    frames.switch_to(framing::records(5));
    got.push_back(or_the_end(co_await frames.next()));
    frames.switch_to(framing::prefixed(length_prefix::uint32, 99999, std::endian::little));
    got.push_back(or_the_end(co_await frames.next()));
    frames.switch_to(framing::lines());
    got.push_back(or_the_end(co_await frames.next()));
    frames.give_back();
    char hello[3] = {};
    co_await from.read_exactly(hello);
    got.emplace_back(hello, sizeof hello);
    got.push_back(or_the_end(co_await frames.next()));
    co_return got;
}
const frame_list mixed_frames{"HELLO", "body", "hi",       "zzz",          "raw ",
                              "bytes", "!",    "STARTTLS", "\x16\x03\x01", "(end)"};

}  // namespace

TEST_CASE("framings and raw bytes take turns on one stream, and give the same wherever the bytes are cut") {
    for (std::uint64_t cut = 0; cut <= mixed.size(); ++cut) {
        CAPTURE(cut);
        test::virtual_fixture on;
        on.run([&]() -> task<> {
            sim::memory_direction forth;
            forth.reads = sim::chunking::split_at({cut});
            auto [from, to] = sim::memory_pair(sim::memory_options(forth, sim::memory_direction()));
            co_await from.write(mixed);
            co_await from.shutdown_write();
            const frame_list got = co_await converse_in_frames(to);
            CHECK(got == mixed_frames);
        });
    }
    for (const std::size_t most : {1U, 2U, 3U, 7U}) {
        test::on_memory(reads_cut(sim::chunking::at_most(most)),
                        [](bight::stream& from, bight::stream& to) -> task<> {
                            co_await from.write(mixed);
                            co_await from.shutdown_write();
                            const frame_list got = co_await converse_in_frames(to);
                            CHECK(got == mixed_frames);
                        });
    }
}

TEST_CASE("frames come the same over sockets, byte by byte, and in a simulated world with its faults") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        auto write = [&]() -> task<> {
            for (const char c : mixed) {
                co_await pair.client.write(std::string_view(&c, 1));
                co_await bight::yield();
            }
            co_await pair.client.shutdown_write();
        };
        frame_list got;
        auto read = [&]() -> task<> { got = co_await converse_in_frames(pair.server); };
        co_await bight::when_all(write(), read());
        CHECK(got == mixed_frames);
    });
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        CAPTURE(seed);
        sim::world_options options;
        for (const auto f :
             {sim::fault::short_read, sim::fault::short_write, sim::fault::small_segment,
              sim::fault::small_window, sim::fault::slow_completion, sim::fault::false_readiness}) {
            options.faults.set(f, 0.3);
        }
        sim::world w(seed, options);
        frame_list got;
        w.add("server").on_boot([&] {
            return bight::serve(
                "tcp:7000", [&](bight::stream peer) -> task<> { got = co_await converse_in_frames(peer); });
        });
        w.add("client").run([&]() -> task<> {
            co_await bight::sleep_for(
                std::chrono::seconds(1));  // in virtual time: the server listens by then
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            co_await peer.write(mixed);
            co_await peer.shutdown_write();
            (void)co_await peer.read_some();  // the server's end
        });
        w.run();
        CHECK(got == mixed_frames);
    }
}

TEST_CASE(
    "a stream that ends between frames ends, and inside of one is an error that says how much was missing") {
    struct ending {
        framing how;
        std::string sent;
        fault_at error;
    };
    const std::vector<ending> endings{
        {framing::lines(), "unfinished", {framing_fault::incomplete, 10, 1}},
        {framing::netstrings(), "10:hello", {framing_fault::incomplete, 8, 6}},
        {framing::netstrings(), "1", {framing_fault::incomplete, 1, 1}},
        {framing::prefixed(length_prefix::uint32), "\0\0"s, {framing_fault::incomplete, 2, 2}},
        {framing::prefixed(length_prefix::uint16), "\0\x09half"s, {framing_fault::incomplete, 6, 5}},
        {framing::records(8), "half", {framing_fault::incomplete, 4, 4}},
    };
    for (const ending& e : endings) {
        for (const std::size_t most : {1U, 100U}) {
            test::on_memory(reads_cut(sim::chunking::at_most(most)),
                            [&](bight::stream& from, bight::stream& to) -> task<> {
                                const std::string whole =
                                    e.how.encode(std::string(e.how.limit() == 8 ? 8 : 3, 'w'));
                                co_await from.write(whole, e.sent);
                                co_await from.shutdown_write();
                                frame_reader frames(to, e.how);
                                const auto first = co_await frames.next();
                                CHECK(first);
                                const auto fault = co_await fault_of(frames);
                                CHECK(fault == e.error);
                                const auto again = co_await fault_of(frames);
                                CHECK(again == e.error);
                                CHECK(frames.buffered() == e.sent);
                                auto rest = co_await frames.bytes().exactly(e.sent.size());
                                CHECK(rest == e.sent);
                                const auto end = co_await frames.next();
                                CHECK_FALSE(end);
                            });
        }
    }
}

TEST_CASE("the text of an error names the peer, and its code is one that as_result gives") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        frame_reader frames(pair.server, framing::netstrings());
        co_await pair.client.write("2:ok,05:hello,");
        (void)co_await frames.next();
        std::string why;
        try {
            (void)co_await frames.next();
        } catch (const framing_error& e) {
            why = e.what();
        }
        CHECK_THAT(why, Catch::Contains("read a netstring from ") &&
                            Catch::Contains(pair.server.peer().to_string()) &&
                            Catch::Contains("at its byte 1: the length begins with 0"));
        const auto result = co_await bight::as_result(frames.next());
        CHECK(result.error() == std::errc::bad_message);
        CHECK(frames.buffered() == "05:hello,");
        frames.switch_to(framing::delimited(","));
        const auto item = co_await frames.next();
        CHECK(or_the_end(item) == "05:hello");
    });
}

TEST_CASE(
    "a length above the limit is refused before its bytes come, and a line as soon as no end can save it") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        frame_reader frames(pair.server, framing::prefixed(length_prefix::uint32));
        co_await pair.client.write("\0\x01\x86\xa0"s);
        const auto announced = co_await error_of(frames.next());
        CHECK(announced == errc::too_long);
        (void)frames.bytes().take_buffered();
        frames.switch_to(framing::netstrings());
        co_await pair.client.write("100000");
        const auto arriving = co_await error_of(frames.next());
        CHECK(arriving == errc::too_long);
        (void)frames.bytes().take_buffered();
        frames.switch_to(framing::lines(bight::line_end::crlf, 5));
        co_await pair.client.write("1234567");
        const auto line = co_await error_of(frames.next());
        CHECK(line == errc::too_long);
        CHECK(frames.buffered() == "1234567");
    });
}

TEST_CASE("frames larger than any read, and than the count_limit of the bytes without frames, arrive whole") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        std::string large(3U << 20, 'l');
        for (std::size_t i = 0; i < large.size(); i += 1000) large[i] = static_cast<char>('a' + i % 26);
        const framing how = framing::prefixed(length_prefix::uint32, 4U << 20);
        auto write = [&]() -> task<> {
            bight::frame_writer out(pair.client, how);
            co_await out.write(large);
            co_await out.write("small");
        };
        auto read = [&]() -> task<> {
            frame_reader frames(pair.server, how);
            const auto first = co_await frames.next();
            CHECK(first == large);
            const auto second = co_await frames.next_view();
            CHECK(second == "small");
        };
        co_await bight::when_all(write(), read());
    });
}

TEST_CASE(
    "a frame that came in one piece is a view of it, and a reader that waits between frames holds nothing") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        frame_reader frames(pair.server, framing::netstrings());
        co_await pair.client.write("4:view,7:half");
        const auto view = co_await frames.next_view();
        CHECK(view == "view");
        CHECK(bight::reactor::current()->statistics().live_buffers == 1);
        const auto none = co_await bight::try_with_timeout(frames.next(), std::chrono::milliseconds(1));
        CHECK_FALSE(none);
        CHECK(bight::reactor::current()->statistics().live_buffers == 0);
        CHECK(frames.buffered() == "7:half");
        co_await pair.client.write(" it,");
        const auto frame = co_await frames.next();
        CHECK(or_the_end(frame) == "half it");
    });
}

TEST_CASE("a frame that is waited for and given up, at any moment, is there for the next call") {
    for (const framing& how :
         {framing::lines(), framing::netstrings(), framing::prefixed(length_prefix::varint)}) {
        CAPTURE(how.to_string());
        const std::uint64_t points = sim::cancel_everywhere([&](sim::world& w) {
            auto& pair = w.own<std::optional<std::pair<bight::stream, bight::stream>>>();
            auto& frames = w.own<std::optional<frame_reader>>();
            auto& got = w.own<frame_list>();
            auto& reads = w.own<bool>(false);
            // Whoever is cancelled reads in the middle; the rest is read here, and nothing is missing.
            const auto rest = [&]() -> task<> {
                while (const auto frame = co_await frames->next()) got.push_back(*frame);
                const frame_list all{"first", "", std::string(300, 'm'), "last"};
                if (got != all) throw std::runtime_error("frames are missing, or come twice");
            };
            const auto write = [&, how]() -> task<> {
                for (const std::string& frame : {"first"s, ""s, std::string(300, 'm'), "last"s}) {
                    const std::string bytes = how.encode(frame);
                    const std::size_t half = bytes.size() / 2;
                    co_await pair->first.write(bytes.substr(0, half));
                    co_await bight::yield();
                    co_await pair->first.write(bytes.substr(half));
                    co_await bight::yield();
                }
                co_await pair->first.shutdown_write();
            };
            w.at("here").run([&, write, rest]() -> task<> {
                pair.emplace(sim::memory_pair());
                frames.emplace(pair->second, how);
                co_await write();
                while (reads) co_await bight::yield();
                co_await rest();
                frames.reset();
                pair.reset();
            });
            return [](auto& from, auto& list, bool& busy) -> task<> {
                while (!from) co_await bight::yield();
                busy = true;
                const auto done = [&busy]() noexcept { busy = false; };
                struct on_leaving {
                    decltype(done) call;
                    ~on_leaving() { call(); }
                } const leaving{done};
                for (int i = 0; i < 3; ++i) {
                    if (auto frame = co_await from->next()) list.push_back(std::move(*frame));
                }
            }(frames, got, reads);
        });
        CHECK(points > 10);
    }
}

TEST_CASE("a second task gets errc::busy from a reader of frames, and takes nothing from the first") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        frame_reader frames(pair.server, framing::netstrings());
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                const auto frame = co_await frames.next();
                CHECK(or_the_end(frame) == "whole");
            });
            co_await bight::yield();
            const auto second = co_await error_of(frames.next());
            CHECK(second == errc::busy);
            const auto raw = co_await error_of(frames.bytes().peek(1));
            CHECK(raw == errc::busy);
            CHECK_THROWS_AS(frames.give_back(), std::system_error);
            CHECK_THROWS_AS(frames.switch_to(framing::lines()), std::system_error);
            co_await pair.client.write("5:whole,");
        });
    });
}

TEST_CASE("an error of the connection is the reader's, and no end") {
    test::on_each_of(test::reactors(), []() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        frame_reader frames(pair.server, framing::netstrings());
        co_await pair.client.write("1:a,");
        const auto first = co_await frames.next();
        CHECK(or_the_end(first) == "a");
        pair.client.abort();
        const auto next = co_await error_of(frames.next());
        CHECK(next == std::errc::connection_reset);
    });
}

TEST_CASE("a frame_reader that is destroyed while a task waits in it ends the program, and says so") {
    const std::string said = test::dying_words([] {
        bight::reactor r;
        r.run([]() -> task<> {
            auto pair = co_await connected_pair(test::family::tcp);
            auto frames = std::make_unique<frame_reader>(pair.server, framing::lines());
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> { (void)co_await frames->next(); });
                co_await bight::yield();
                frames.reset();
            });
        }());
    });
    CHECK_THAT(said, Catch::Contains("a frame_reader was destroyed while a task waits for its next frame"));
}
