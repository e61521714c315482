// Lines, delimiters, counts and looks ahead from one stream, however its bytes are cut into pieces.
#include "on_memory.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/death.hpp"
#include "support/each_reactor.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/sim/memory_stream.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using bight::buffered_reader;
using bight::buffered_reader_options;
using bight::errc;
using bight::line_end;
using bight::task;
using test::connected_pair;
using test::error_of;
namespace sim = bight::sim;

namespace {

using texts = std::vector<std::string>;

// Whose reads are cut like this.
sim::memory_direction cut(sim::chunking reads) {
    sim::memory_direction forth;
    forth.reads = std::move(reads);
    return forth;
}

buffered_reader_options ending_with(line_end ends, std::size_t limit = 16384) {
    buffered_reader_options options;
    options.line_ends = ends;
    options.line_limit = limit;
    return options;
}

std::string or_end(const std::optional<std::string>& item) { return item ? *item : "(end)"; }

// What is sent, and what every kind of call makes of it; the same for each way to cut it.
const std::string conversation =
    "GET /\r\nLength: 6\r\n\r\nabcdefkey=value;x\r\n;;NEXT\r\nlast line\r\nunfinished";
task<texts> converse(bight::stream& from) {
    texts got;
    buffered_reader in(from);
    got.push_back(or_end(co_await in.line()));
    got.emplace_back(co_await in.peek(7));
    got.push_back(or_end(co_await in.line()));
    got.push_back(or_end(co_await in.line()));
    got.push_back(co_await in.exactly(4));
    char two[2] = {};
    co_await in.exactly(two);
    got.emplace_back(two, sizeof two);
    got.push_back(or_end(co_await in.until("=")));
    got.push_back(or_end(co_await in.until(";")));
    got.push_back(or_end(co_await in.until(";;")));
    got.emplace_back(co_await in.peek(6));
    in.consume(4);
    in.give_back();
    char end[2] = {};
    co_await from.read_exactly(end);
    got.emplace_back(end, sizeof end);
    const auto view = co_await in.line_view();
    got.emplace_back(view ? *view : "(end)");
    got.push_back(or_end(co_await in.line()));
    got.emplace_back(co_await in.peek(100));
    std::string rest;
    while (auto part = co_await in.some(3)) {
        CHECK(part.size() <= 3);
        rest += part.view();
    }
    got.push_back(rest);
    got.push_back(or_end(co_await in.line()));
    co_return got;
}
const texts said{"GET /", "Length:",  "Length: 6", "",          "abcd",       "ef",         "key",  "value",
                 "x\r\n", "NEXT\r\n", "\r\n",      "last line", "unfinished", "unfinished", "(end)"};

}  // namespace

// line_view after the "\r\n" was read raw gives "last line"; the next line() is the end, with "unfinished"
// left.
texts expected() {
    texts all = said;
    all.insert(all.begin() + 12, "(end)");
    return all;
}

TEST_CASE("all kinds of reads take turns, and give the same wherever the bytes are cut") {
    for (std::uint64_t cut = 0; cut <= conversation.size(); ++cut) {
        CAPTURE(cut);
        test::virtual_fixture on;
        on.run([&]() -> task<> {
            sim::memory_direction forth;
            forth.reads = sim::chunking::split_at({cut});
            auto [from, to] = sim::memory_pair(sim::memory_options(forth, sim::memory_direction()));
            co_await from.write(conversation);
            co_await from.shutdown_write();
            const texts got = co_await converse(to);
            CHECK(got == expected());
        });
    }
    for (const std::size_t most : {1U, 2U, 3U, 5U}) {
        test::on_memory(cut(sim::chunking::at_most(most)),
                        [](bight::stream& from, bight::stream& to) -> task<> {
                            co_await from.write(conversation);
                            co_await from.shutdown_write();
                            const texts got = co_await converse(to);
                            CHECK(got == expected());
                        });
    }
}

TEST_CASE(
    "the same over sockets, byte by byte while the reader waits, and in a simulated world with its faults") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        auto write = [&]() -> task<> {
            for (const char c : conversation) {
                co_await pair.client.write(std::string_view(&c, 1));
                co_await bight::yield();
            }
            co_await pair.client.shutdown_write();
        };
        texts got;
        auto read = [&]() -> task<> { got = co_await converse(pair.server); };
        co_await bight::when_all(write(), read());
        CHECK(got == expected());
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
        texts got;
        w.add("server").on_boot([&] {
            return bight::serve("tcp:7000",
                                [&](bight::stream peer) -> task<> { got = co_await converse(peer); });
        });
        w.add("client").run([&]() -> task<> {
            co_await bight::sleep_for(
                std::chrono::seconds(1));  // in virtual time: the server listens by then
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            co_await peer.write(conversation);
            co_await peer.shutdown_write();
            (void)co_await peer.read_some();  // the server's end
        });
        w.run();
        CHECK(got == expected());
    }
}

TEST_CASE("a line ends with CR LF, with LF, or with either") {
    const std::string text = "a\r\n\rb\nc\r\r\n\n\r\nd\n";
    struct choice {
        line_end ends;
        texts lines;
        std::string left;
    };
    const choice all[] = {
        {line_end::crlf, {"a", "\rb\nc\r", "\n"}, "d\n"},
        {line_end::lf, {"a\r", "\rb", "c\r\r", "", "\r", "d"}, ""},
        {line_end::either, {"a", "\rb", "c\r", "", "", "d"}, ""},
    };
    for (const choice& c : all) {
        CAPTURE(static_cast<int>(c.ends));
        for (const std::size_t most : {1U, 2U, 100U})
            test::on_memory(cut(sim::chunking::at_most(most)),
                            [&](bight::stream& from, bight::stream& to) -> task<> {
                                co_await from.write(text);
                                co_await from.shutdown_write();
                                buffered_reader in(to, ending_with(c.ends));
                                texts lines;
                                while (auto line = co_await in.line()) lines.push_back(*line);
                                CHECK(lines == c.lines);
                                CHECK(in.buffered() == c.left);
                            });
    }
}

TEST_CASE("a line of exactly the limit is a line, one byte more is errc::too_long, and nothing is lost") {
    struct attempt {
        line_end ends;
        std::string text;
        bool good;
    };
    const attempt all[] = {
        {line_end::crlf, "12345\r\n", true},   {line_end::crlf, "123456\r\n", false},
        {line_end::crlf, "1234567", false},    {line_end::lf, "12345\n", true},
        {line_end::lf, "123456", false},       {line_end::either, "12345\r\n", true},
        {line_end::either, "12345\n", true},   {line_end::either, "123456\n", false},
        {line_end::either, "12345\rx", false}, {line_end::either, "123456\r\n", false},
    };
    for (const attempt& a : all) {
        CAPTURE(static_cast<int>(a.ends), a.text);
        for (const std::size_t most : {1U, 100U})
            test::on_memory(cut(sim::chunking::at_most(most)),
                            [&](bight::stream& from, bight::stream& to) -> task<> {
                                co_await from.write(a.text);
                                buffered_reader in(to, ending_with(a.ends, 5));
                                auto line = co_await bight::as_result(in.line());
                                if (a.good) {
                                    REQUIRE(line);
                                    CHECK(or_end(*line) == "12345");
                                    CHECK(in.buffered().empty());
                                } else {
                                    CHECK(line.error() == errc::too_long);
                                    const std::string all_of_it = co_await in.exactly(a.text.size());
                                    CHECK(all_of_it == a.text);
                                }
                            });
    }
}

TEST_CASE("a count above its limit is refused before anything is read; one of exactly the limit is not") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        co_await pair.client.write("1234");
        buffered_reader_options options;
        options.count_limit = 4;
        buffered_reader in(pair.server, options);
        std::string why;
        try {
            (void)co_await in.exactly(5);
        } catch (const std::system_error& e) {
            CHECK(e.code() == errc::too_long);
            why = e.what();
        }
        CHECK_THAT(why, Catch::Contains("read 5 bytes (count_limit is 4) of"));
        const auto peeked = co_await error_of(in.peek(5));
        CHECK(peeked == errc::too_long);
        const std::string seen(co_await in.peek(4));
        CHECK(seen == "1234");
        const std::string got = co_await in.exactly(4);
        CHECK(got == "1234");
    });
}

TEST_CASE("the end of the stream in the middle of an item leaves the item's beginning") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        co_await pair.client.write("half a li");
        co_await pair.client.shutdown_write();
        buffered_reader in(pair.server);
        const auto line = co_await in.line();
        CHECK_FALSE(line);
        const auto counted = co_await error_of(in.exactly(10));
        CHECK(counted == errc::end_of_stream);
        char memory[10] = {};
        const auto filled = co_await error_of(in.exactly(bight::mutable_buffer(memory, 10)));
        CHECK(filled == errc::end_of_stream);
        CHECK(in.buffered() == "half a li");
        const auto again = co_await in.line();
        CHECK_FALSE(again);
        const auto rest = co_await in.some();
        CHECK(rest.view() == "half a li");
        const auto end = co_await in.some();
        CHECK(end.empty());
    });
}

TEST_CASE("each call that is cancelled while it waits leaves everything that came") {
    using call = task<> (*)(buffered_reader&);
    const call calls[] = {
        [](buffered_reader& in) -> task<> { (void)co_await in.line(); },
        [](buffered_reader& in) -> task<> { (void)co_await in.line_view(); },
        [](buffered_reader& in) -> task<> { (void)co_await in.until("END"); },
        [](buffered_reader& in) -> task<> { (void)co_await in.exactly(20); },
        [](buffered_reader& in) -> task<> { (void)co_await in.peek(20); },
        [](buffered_reader& in) -> task<> {
            char memory[20];
            co_await in.exactly(memory);
        },
    };
    for (const call c : calls) {
        for (const bool twice : {false, true}) {
            test::on_each_reactor([&]() -> task<> {
                auto pair = co_await connected_pair(test::family::tcp);
                buffered_reader in(pair.server);
                const auto nothing = co_await bight::try_with_timeout(c(in), std::chrono::milliseconds(1));
                CHECK_FALSE(nothing);
                co_await pair.client.write("first\r\nsec");
                const auto first = co_await in.line();
                CHECK(or_end(first) == "first");
                const auto half = co_await bight::try_with_timeout(c(in), std::chrono::milliseconds(1));
                CHECK_FALSE(half);
                CHECK(in.buffered() == "sec");
                if (twice) {
                    co_await pair.client.write("ond");
                    const auto more = co_await bight::try_with_timeout(c(in), std::chrono::milliseconds(1));
                    CHECK_FALSE(more);
                }
                co_await pair.client.write(twice ? "\r\n" : "ond\r\n");
                const auto second = co_await in.line();
                CHECK(or_end(second) == "second");
            });
        }
    }
}

TEST_CASE("bytes that come while a read is cancelled are kept, whichever comes first") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        buffered_reader in(pair.server);
        std::string sent;
        std::string got;
        for (int i = 0; i < 60; ++i) {
            const std::string piece = std::to_string(i) + (i % 3 == 2 ? "\n" : ".");
            auto reads = [&]() -> task<> {
                char memory[7];
                co_await in.exactly(memory);
                got.append(memory, sizeof memory);
            };
            auto cancels = [&]() -> task<> {
                for (int turn = 0; turn < i % 3; ++turn) co_await bight::yield();
                co_await pair.client.write(piece);
                sent += piece;
                for (int turn = 0; turn < i % 5; ++turn) co_await bight::yield();
            };
            co_await bight::when_any(cancels(), reads());
        }
        co_await pair.client.shutdown_write();
        while (auto part = co_await in.some()) got += part.view();
        CHECK(got == sent);
    });
}

TEST_CASE("a received chunk is handed out, and lines are views of it, without a copy") {
    test::on_memory(cut(sim::chunking::as_written()), [](bight::stream& from, bight::stream& to) -> task<> {
        co_await from.write("head\r\nview\r\nbody");
        auto whole = co_await to.read_some();
        const char* const at = whole.data();
        to.unread(std::move(whole));
        buffered_reader in(to);
        const auto head = co_await in.line();
        CHECK(or_end(head) == "head");
        const auto view = co_await in.line_view();
        REQUIRE(view);
        CHECK(static_cast<const void*>(view->data()) == at + 6);
        const auto body = co_await in.some();
        CHECK(static_cast<const void*>(body.data()) == at + 12);
        CHECK(body.view() == "body");
    });
}

TEST_CASE("what is left goes back to the stream without a copy, and the stream is handed on") {
    test::on_memory(cut(sim::chunking::as_written()), [](bight::stream& from, bight::stream& to) -> task<> {
        co_await from.write("STARTTLS\r\n\x16\x03\x01");
        auto whole = co_await to.read_some();
        const char* const at = whole.data();
        to.unread(std::move(whole));
        {
            buffered_reader in(to);
            const auto command = co_await in.line();
            CHECK(or_end(command) == "STARTTLS");
            CHECK(in.buffered().size() == 3);
            in.give_back();
            in.give_back();
            CHECK(in.buffered().empty());
        }
        bight::stream next = std::move(to);
        const auto hello = co_await next.read_some();
        CHECK(static_cast<const void*>(hello.data()) == at + 10);
        CHECK(hello.view() == "\x16\x03\x01");

        buffered_reader in(next);
        co_await from.write("ab");
        const auto peeked = co_await in.peek(1);
        CHECK(peeked == "a");
        const bight::chunk taken = in.take_buffered();
        CHECK(taken.view() == "ab");
        CHECK(in.buffered().empty());
        co_await from.write("c\r\n");
        const auto line = co_await in.line();
        CHECK(or_end(line) == "c");
    });
}

TEST_CASE("while a reader waits, it holds no buffer of the reactor") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        buffered_reader in(pair.server);
        co_await pair.client.write("line\r\nthe beginning of");
        const auto line = co_await in.line_view();
        CHECK(line == "line");
        CHECK(bight::reactor::current()->statistics().live_buffers == 1);
        const auto none = co_await bight::try_with_timeout(in.line(), std::chrono::milliseconds(1));
        CHECK_FALSE(none);
        CHECK(bight::reactor::current()->statistics().live_buffers == 0);
        CHECK(in.buffered() == "the beginning of");
    });
}

TEST_CASE("a second task gets errc::busy, and what a first one waits for is not taken from it") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        buffered_reader in(pair.server);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                const auto line = co_await in.line();
                CHECK(or_end(line) == "whole");
            });
            co_await bight::yield();
            const auto second = co_await error_of(in.peek(1));
            CHECK(second == errc::busy);
            CHECK_THROWS_AS(in.give_back(), std::system_error);
            co_await pair.client.write("whole\r\n");
        });
    });
}

TEST_CASE("what a reader cannot report as an error ends the program, and says so") {
    const auto dying = [](auto misuse) {
        return test::dying_words([&] {
            bight::reactor r;
            r.run([&]() -> task<> {
                auto pair = co_await connected_pair(test::family::tcp);
                auto in = std::make_unique<buffered_reader>(pair.server);
                co_await bight::with_group([&](bight::group& g) -> task<> {
                    g.spawn([&]() -> task<> { (void)co_await in->line(); });
                    co_await bight::yield();
                    misuse(in);
                });
            }());
        });
    };
    CHECK_THAT(dying([](auto& in) { in.reset(); }),
               Catch::Contains("a buffered_reader was destroyed while a task waits in it"));
    CHECK_THAT(dying([](auto& in) { in->consume(0); }), Catch::Contains("while a task waits in the reader"));
    CHECK_THAT(test::dying_words([] {
                   bight::stream none;
                   buffered_reader(none).consume(1);
               }),
               Catch::Contains("more bytes than are buffered"));
}

TEST_CASE("a limit of as much as a size can hold is none") {
    for (const auto ends : {line_end::crlf, line_end::lf, line_end::either}) {
        for (const auto& reads : {sim::chunking::at_most(1), sim::chunking::merged()}) {
            test::on_memory(cut(reads), [&](bight::stream& from, bight::stream& to) -> task<> {
                co_await to.write("first\r\nsecond\r\n");
                buffered_reader in(from, ending_with(ends, std::numeric_limits<std::size_t>::max()));
                const auto line = co_await in.line();
                CHECK(or_end(line).substr(0, 5) == "first");
            });
        }
    }
}
