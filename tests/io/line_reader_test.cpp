// Lines out of a stream, however they are cut into pieces.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/death.hpp"
#include "support/each_reactor.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using bight::errc;
using bight::line_reader;
using bight::task;
using test::connected_pair;
using test::error_of;
using test::on_each_of;

namespace {

using lines = std::vector<std::string>;

// What a reader gives for `pieces`, each delivered by itself, until the end of the stream; what is left over
// last.
task<lines> read_pieces(std::vector<std::string> pieces, std::string delimiter, std::size_t limit) {
    auto pair = co_await connected_pair(test::family::tcp);
    lines got;
    line_reader reader(pair.server, delimiter, limit);
    auto read = [&]() -> task<> {
        while (auto line = co_await reader.next()) got.push_back(*line);
        got.emplace_back(reader.buffered());
    };
    auto write = [&]() -> task<> {
        for (const std::string& piece : pieces) {
            co_await pair.client.write(piece);
            co_await bight::yield();
        }
        co_await pair.client.shutdown_write();
    };
    co_await bight::when_all(read(), write());
    co_return got;
}

}  // namespace

// The same on a reactor of its own, for each demultiplexer.
lines lines_of(test::reactor_fixture& on, std::vector<std::string> pieces, std::string delimiter = "\r\n",
               std::size_t limit = line_reader::default_limit) {
    return on.run([&] { return read_pieces(pieces, delimiter, limit); });
}

TEST_CASE("a line comes without its delimiter; empty lines are lines; a bare line feed is data") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    CHECK(lines_of(on, {"one\r\n\r\nthree\nstill three\r\nunfinished"}) ==
          lines{"one", "", "three\nstill three", "unfinished"});
}

TEST_CASE("the lines are the same wherever the bytes are cut") {
    const std::string text = "ab\r\n\rc\r\r\n\r\n\nd\r\n";
    const lines expected{"ab", "\rc\r", "", "\nd", ""};
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        std::vector<std::string> pieces{text.substr(0, cut), text.substr(cut)};
        CAPTURE(cut);
        CHECK(lines_of(on, pieces) == expected);
    }
    std::vector<std::string> bytes;
    for (const char c : text) bytes.emplace_back(1, c);
    CHECK(lines_of(on, bytes) == expected);
}

TEST_CASE("a delimiter may be of any length") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    CHECK(lines_of(on, {"a;b;;"}, ";") == lines{"a", "b", "", ""});
    CHECK(lines_of(on, {"aE", "NENDbEND"}, "END") == lines{"aEN", "b", ""});
}

TEST_CASE("a line of exactly the limit is a line, one byte more is errc::too_long") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    const std::size_t limit = line_reader::default_limit;
    CHECK(limit == 16384);
    CHECK(lines_of(on, {std::string(limit, 'x') + "\r", "\n"}) == lines{std::string(limit, 'x'), ""});
    // Without its end, a line is too long once no delimiter could save it.
    CHECK(lines_of(on, {std::string(limit + 1, 'x')}).back().size() == limit + 1);

    for (const std::string& longer : {std::string(limit + 1, 'x') + "\r\n", std::string(limit + 2, 'x')}) {
        const std::error_code code = on.run([&] {
            return error_of(
                read_pieces(std::vector<std::string>(1, longer), "\r\n", line_reader::default_limit));
        });
        CHECK(code == errc::too_long);
    }
}

TEST_CASE("give_back lets the stream be read raw in mid-buffer, and lines follow again") {
    on_each_of(test::reactors(), []() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        co_await pair.client.write("length 5\r\n12345next\r\n");
        line_reader reader(pair.server);
        auto header = co_await reader.next();
        REQUIRE(header);
        CHECK(*header == "length 5");
        reader.give_back();
        CHECK(reader.buffered().empty());
        char body[5] = {};
        co_await pair.server.read_exactly(bight::mutable_buffer(body, sizeof body));
        CHECK(std::string(body, 5) == "12345");
        auto next = co_await reader.next();
        REQUIRE(next);
        CHECK(*next == "next");
    });
}

TEST_CASE("a cancelled wait for a line loses nothing of it") {
    on_each_of(test::reactors(), []() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        line_reader reader(pair.server);
        co_await pair.client.write("first\r\nhal");
        auto first = co_await reader.next();
        REQUIRE(first);
        auto none = co_await bight::try_with_timeout(reader.next(), std::chrono::milliseconds(1));
        CHECK_FALSE(none.has_value());
        co_await pair.client.write("f\r\n");
        auto second = co_await reader.next();
        REQUIRE(second);
        CHECK(*second == "half");
    });
}

TEST_CASE("what a cancelled wait has read of a line is given back, and read once") {
    on_each_of(test::reactors(), []() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        line_reader reader(pair.server);
        co_await pair.client.write("half");
        auto none = co_await bight::try_with_timeout(reader.next(), std::chrono::milliseconds(1));
        CHECK_FALSE(none.has_value());
        CHECK(reader.buffered() == "half");
        reader.give_back();
        reader.give_back();
        CHECK(reader.buffered().empty());
        char raw[4] = {};
        co_await pair.server.read_exactly(bight::mutable_buffer(raw, sizeof raw));
        CHECK(std::string(raw, sizeof raw) == "half");
        co_await pair.client.write("next\r\n");
        auto next = co_await reader.next();
        REQUIRE(next);
        CHECK(*next == "next");
    });
}

TEST_CASE("after a part of a delimiter was given back, a line is found from its beginning") {
    on_each_of(test::reactors(), []() -> task<> {
        for (const bool read_raw : {false, true}) {
            CAPTURE(read_raw);
            auto pair = co_await connected_pair(test::family::tcp);
            line_reader reader(pair.server);
            co_await pair.client.write("long before its end\r");
            auto none = co_await bight::try_with_timeout(reader.next(), std::chrono::milliseconds(1));
            CHECK_FALSE(none.has_value());
            reader.give_back();
            if (read_raw) {
                char raw[20] = {};
                co_await pair.server.read_exactly(bight::mutable_buffer(raw, sizeof raw));
                co_await pair.client.write("a\r\n");
            } else {
                co_await pair.client.write("\n");
            }
            auto line = co_await bight::try_with_timeout(reader.next(), std::chrono::seconds(10));
            REQUIRE(line.has_value());
            REQUIRE(line->has_value());
            CHECK(**line == (read_raw ? "a" : "long before its end"));
        }
    });
}

TEST_CASE("a reader that is destroyed while a task waits for its next line ends the program, and says so") {
    const std::string said = test::dying_words([] {
        bight::reactor r;
        r.run([]() -> task<> {
            auto pair = co_await connected_pair(test::family::tcp);
            auto reader = std::make_unique<line_reader>(pair.server);
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> { co_await reader->next(); });
                co_await bight::yield();
                reader.reset();
            });
        }());
    });
    CHECK_THAT(said, Catch::Contains("a line_reader was destroyed while a task waits for its next line"));
}
