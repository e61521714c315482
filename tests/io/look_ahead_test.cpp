// Who reads or writes a stream past a reader or a writer over it gets an error that names that.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/each_reactor.hpp"

#include <bight/bight.hpp>
#include <bight/sim/memory_stream.hpp>

#include "on_memory.hpp"

#include <string>
#include <system_error>
#include <utility>

using bight::buffered_reader;
using bight::stream;
using bight::task;
using Catch::Contains;
using test::connected_pair;
using namespace std::chrono_literals;

namespace {

template <class A>
task<std::string> words_of(A operation) {
    try {
        (void)co_await std::move(operation);
    } catch (const std::system_error& e) {
        co_return e.code() == bight::errc::busy ? e.what() : std::string("another error: ") + e.what();
    }
    co_return "no error";
}

task<std::string> read(stream& from) {
    const auto got = co_await from.read_some();
    co_return std::string(got.view());
}

}  // namespace

TEST_CASE("a read past a reader that holds bytes is refused, and says how to read on") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        co_await pair.client.write("one\r\ntwo\r\n");
        buffered_reader in(pair.server);
        const auto part_1 = co_await in.peek(10);
        CHECK(part_1 == "one\r\ntwo\r\n");
        const auto said_1 = co_await words_of(pair.server.read_some());
        CHECK_THAT(said_1, Contains("a buffered_reader or a line_reader over it has bytes that come first") &&
                               Contains("give_back()") && Contains("127.0.0.1"));
        char memory[8];
        const auto said_2 = co_await words_of(pair.server.read_some(memory));
        CHECK_THAT(said_2, Contains("give_back()"));
        const auto said_3 = co_await words_of(pair.server.read_until("\n"));
        CHECK_THAT(said_3, Contains("give_back()"));
        const auto said_4 = co_await words_of(bight::copy(pair.server, pair.client));
        CHECK_THAT(said_4, Contains("give_back()"));
        bight::line_reader another(pair.server);
        const auto said_5 = co_await words_of(another.next());
        CHECK_THAT(said_5, Contains("give_back()"));

        const auto part_2 = co_await in.line();
        CHECK(part_2 == "one");
        const auto said_6 = co_await words_of(pair.server.read_some());
        CHECK_THAT(said_6, Contains("give_back()"));
        const auto part_3 = co_await in.line();
        CHECK(part_3 == "two");
        co_await pair.client.write("three");
        const auto part_4 = co_await read(pair.server);
        CHECK(part_4 == "three");
    });
}

TEST_CASE("what gives a reader's bytes up lets the stream be read again") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        buffered_reader in(pair.server);
        const auto ahead = [&]() -> task<> {
            co_await pair.client.write("a line\r\nmore");
            (void)co_await in.peek(12);
            const auto part_1 = co_await in.line();
            CHECK(part_1 == "a line");
        };
        co_await ahead();
        in.give_back();
        const auto part_2 = co_await read(pair.server);
        CHECK(part_2 == "more");
        co_await ahead();
        const auto taken = in.take_buffered();
        CHECK(taken.view() == "more");
        co_await pair.client.write("next");
        const auto part_3 = co_await read(pair.server);
        CHECK(part_3 == "next");
        co_await ahead();
        in.consume(3);
        const auto said = co_await words_of(pair.server.read_some());
        CHECK_THAT(said, Contains("give_back()"));
        in.consume(1);
        co_await pair.client.write("next");
        const auto part_4 = co_await read(pair.server);
        CHECK(part_4 == "next");
    });
}

TEST_CASE("bytes that a cancelled line left in its reader hold the stream, also under an idle time-out") {
    test::on_each_in_virtual_time([]() -> task<> {
        auto [from, to] = bight::sim::memory_pair();
        buffered_reader in(to);
        co_await from.write("half a line");
        const auto in_time = co_await bight::try_with_timeout(in.line(), 1s);
        CHECK_FALSE(in_time);
        co_await bight::with_idle_timeout(
            [&]() -> task<> {
                const auto said_1 = co_await words_of(to.read_some());
                CHECK_THAT(said_1, Contains("give_back()"));
            }(),
            1h, to);
        const auto said_2 = co_await words_of(to.read_some());
        CHECK_THAT(said_2, Contains("give_back()"));
        co_await from.write(", and the rest\r\n");
        const auto part = co_await in.line();
        CHECK(part == "half a line, and the rest");
    });
}

TEST_CASE("a reader that is destroyed with bytes leaves a gap, which a read of the stream reports") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        co_await pair.client.write("request\r\nthe next one");
        {
            bight::line_reader lines(pair.server);
            const auto part = co_await lines.next();
            CHECK(part == "request");
        }
        const auto said_1 = co_await words_of(pair.server.read_some());
        CHECK_THAT(said_1, Contains("took them along when it was destroyed") && Contains("give_back()"));
        co_await pair.server.write("it may be written");
        co_await pair.server.close();
        const auto said_2 = co_await words_of(pair.server.read_some());
        CHECK_THAT(said_2, Contains("closed on this side"));
    });
}

TEST_CASE("a second reader is told that a task waits in a reader") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        buffered_reader in(pair.server);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { (void)co_await in.line(); });
            co_await bight::yield();
            const char* const wanted = "another task waits in a buffered_reader or a line_reader over it";
            const auto said_1 = co_await words_of(pair.server.read_some());
            CHECK_THAT(said_1, Contains(wanted));
            const auto said_2 = co_await words_of(in.peek(1));
            CHECK_THAT(said_2, Contains(wanted));
            co_await pair.client.write("\r\n");
        });
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { (void)co_await read(pair.server); });
            co_await bight::yield();
            const auto words = co_await words_of(pair.server.read_some());
            CHECK_THAT(words, Contains("it has one reader at a time: in use already") &&
                                  !Contains("reader over it"));
            // A reader that is refused is not what is in the way.
            buffered_reader refused(pair.server);
            const auto words_of_reader = co_await words_of(refused.line());
            CHECK_THAT(words_of_reader, Contains("it has one reader at a time: in use already") &&
                                            !Contains("reader over it"));
            co_await pair.client.write("x");
        });
    });
}

TEST_CASE("a reader that was refused says nothing in the place of the one that waits") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        buffered_reader waiting(pair.server);
        buffered_reader refused(pair.server);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { (void)co_await waiting.line(); });
            co_await bight::yield();
            for (int i = 0; i < 2; ++i) {
                const auto said_1 = co_await words_of(refused.line());
                CHECK_THAT(said_1, Contains("another task waits in a buffered_reader"));
                const auto said_2 = co_await words_of(pair.server.read_some());
                CHECK_THAT(said_2, Contains("another task waits in a buffered_reader"));
            }
            co_await pair.client.write("\r\n");
        });
    });
}

TEST_CASE("no read comes between bytes that have reached a reader and the task that waits for them") {
    test::on_memory({}, [](stream& from, stream& to) -> task<> {
        std::string line;
        const auto reader = [&]() -> task<> {
            buffered_reader in(to);
            if (auto got = co_await in.line()) line = *got;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(reader);
            co_await bight::yield();
            co_await from.write("a");
            for (const char* const part : {"b", "c", "d"}) {
                co_await from.write(part);
                const auto said = co_await words_of(to.read_some());
                CHECK_THAT(said, Contains("another task waits in a buffered_reader"));
            }
            co_await from.write("\r\n");
        });
        CHECK(line == "abcd");
    });
}

TEST_CASE("a write past a writer that holds bytes is told what holds them") {
    const bight::sim::memory_direction narrow = [] {
        bight::sim::memory_direction way;
        way.capacity = 4;
        return way;
    }();
    test::on_memory(narrow, [](stream& from, stream& to) -> task<> {
        const auto drain = [&]() -> task<> {
            for (std::string got; got != "!";) got = co_await read(to);
        };
        {
            bight::buffered_writer out(from);
            co_await out.write("more than fits");
            const std::string words = co_await words_of(from.write("x"));
            CHECK_THAT(words, Contains("a buffered_writer over it has bytes that come first"));
            CHECK_THAT(words, Contains("flush()"));
            co_await bight::when_all(drain(), [&]() -> task<> {
                co_await out.flush();
                co_await from.write("!");
            }());
        }
        bight::outbox box(from);
        box.send("more than fits");
        const auto said = co_await words_of(from.write("x"));
        CHECK_THAT(said, Contains("an outbox over it has bytes that come first"));
        co_await bight::when_all(drain(), [&]() -> task<> {
            co_await box.flush();
            co_await from.write("!");
        }());
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { co_await from.write("more than fits"); });
            co_await bight::yield();
            co_await bight::yield();
            const auto words = co_await words_of(from.write("x"));
            CHECK_THAT(words, Contains("it has one writer at a time: in use already") &&
                                  !Contains("over it has bytes"));
            g.cancel();
        });
    });
}
