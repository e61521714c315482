// What a stream promises, over the sockets of each family on each demultiplexer.
#include "on_memory.hpp"

#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/death.hpp"
#include "support/each_connection.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using bight::errc;
using bight::stream;
using bight::task;
using test::connected_pair;
using test::connected_to_raw;
using test::error_of;
using test::pattern;
using test::read_all;

TEST_CASE("what is written arrives whole and in order, whatever the sizes of writes and reads") {
    test::on_each_stream([](test::family f) -> task<> {
        constexpr std::size_t total = 1U << 20;
        auto pair = co_await connected_pair(f);
        auto write = [&]() -> task<> {
            std::mt19937 random(7);
            for (std::size_t at = 0; at < total;) {
                const std::size_t size = std::min<std::size_t>(random() % 4000, total - at);
                const std::string text = pattern(at, size);
                co_await pair.client.write(text);
                at += size;
            }
            co_await pair.client.shutdown_write();
        };
        auto read = [&]() -> task<> {
            std::mt19937 random(11);
            std::string all;
            for (;;) {
                if (random() % 2) {
                    const auto chunk = co_await pair.server.read_some();
                    if (!chunk) break;
                    all += chunk.view();
                } else {
                    std::string memory(1 + random() % 5000, '\0');
                    const std::size_t got = co_await pair.server.read_some(memory);
                    if (got == 0) break;
                    all.append(memory, 0, got);
                }
            }
            CHECK(all.size() == total);
            CHECK((all == pattern(0, total)));
        };
        co_await bight::when_all(write(), read());
    });
}

TEST_CASE("three connections whose bytes come one at a time, interleaved, are kept apart") {
    test::on_each_stream([](test::family f) -> task<> {
        constexpr std::size_t each = 200;
        std::vector<test::stream_pair> pairs;
        for (int i = 0; i < 3; ++i) {
            auto pair = co_await connected_pair(f);
            pairs.push_back(std::move(pair));
        }
        auto write = [&]() -> task<> {
            std::mt19937 random(3);
            std::array<std::size_t, 3> done{};
            while (done[0] + done[1] + done[2] < 3 * each) {
                const std::size_t i = random() % 3;
                if (done[i] == each) continue;
                const std::string byte = pattern(i * 1000 + done[i]++, 1);
                co_await pairs[i].client.write(byte);
                co_await bight::yield();
            }
            for (auto& pair : pairs) co_await pair.client.shutdown_write();
        };
        auto read = [&](std::size_t i) -> task<> {
            const std::string all = co_await read_all(pairs[i].server);
            CHECK((all == pattern(i * 1000, each)));
        };
        co_await bight::when_all(write(), read(0), read(1), read(2));
    });
}

TEST_CASE("the end of the stream is an empty chunk, and stays") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        co_await pair.client.write("last");
        pair.client = {};
        const std::string all = co_await read_all(pair.server);
        CHECK(all == "last");
        for (int i = 0; i < 3; ++i) {
            const auto chunk = co_await pair.server.read_some();
            CHECK(chunk.empty());
            std::array<char, 4> memory{};
            const std::size_t got =
                co_await pair.server.read_some(bight::mutable_buffer(memory.data(), memory.size()));
            CHECK(got == 0);
        }
        CHECK(pair.server.is_open());
    });
}

TEST_CASE("read_exactly fills the memory and leaves the rest") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        auto write = [&]() -> task<> {
            co_await pair.client.write("ab");
            co_await bight::yield();
            co_await pair.client.write("cdefgh");
        };
        auto read = [&]() -> task<> {
            std::string five(5, '\0');
            co_await pair.server.read_exactly(five);
            CHECK(five == "abcde");
            std::string three(3, '\0');
            co_await pair.server.read_exactly(three);
            CHECK(three == "fgh");
            std::string none;
            co_await pair.server.read_exactly(none);
        };
        co_await bight::when_all(write(), read());
        co_await pair.client.write("xy");
        pair.client = {};
        std::string three(3, '\0');
        const auto error = co_await error_of(pair.server.read_exactly(three));
        CHECK(error == errc::end_of_stream);
    });
}

TEST_CASE("a read into no memory takes nothing, waits for nothing, and says nothing of the end") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        char memory[8];
        const auto read_nothing = [&]() -> task<std::size_t> {
            const std::size_t none = co_await pair.server.read_some(bight::mutable_buffer(memory, 0));
            const std::size_t nowhere = co_await pair.server.read_some(bight::mutable_buffer(nullptr, 0));
            co_return none + nowhere;
        };
        const std::size_t before = co_await read_nothing();  // nothing is there
        CHECK(before == 0);
        co_await pair.client.write("hello");
        const std::size_t meanwhile = co_await read_nothing();
        CHECK(meanwhile == 0);
        std::string got(5, '\0');
        co_await pair.server.read_exactly(got);
        CHECK(got == "hello");
        const std::size_t after = co_await read_nothing();
        CHECK(after == 0);
        co_await pair.client.write("again");
        co_await pair.client.shutdown_write();
        const std::string rest = co_await read_all(pair.server);
        CHECK(rest == "again");
        const std::size_t at_the_end = co_await read_nothing();
        CHECK(at_the_end == 0);
        pair.server.abort(errc::aborted);
        const auto error = co_await error_of(pair.server.read_some(bight::mutable_buffer(memory, 0)));
        CHECK(error == errc::aborted);
    });
}

TEST_CASE("a read into no memory lets others have their turn") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        bool over = false;
        auto spin = [&]() -> task<> {
            char memory[1];
            while (!over) (void)co_await pair.server.read_some(bight::mutable_buffer(memory, 0));
        };
        auto end = [&]() -> task<> {
            for (int turn = 0; turn < 3; ++turn) co_await bight::yield();
            over = true;
        };
        co_await bight::when_all(spin(), end());
        CHECK(over);
    });
}

TEST_CASE("read_until stops after the delimiter and keeps what follows") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        co_await pair.client.write("one\r\ntwo\r\n\r\nrest");
        pair.client = {};
        const std::string one = co_await pair.server.read_until("\r\n");
        CHECK(one == "one\r\n");
        const std::string two = co_await pair.server.read_until("\r\n\r\n");
        CHECK(two == "two\r\n\r\n");
        const auto error = co_await error_of(pair.server.read_until("\r\n"));
        CHECK(error == errc::end_of_stream);
        const std::string rest = co_await read_all(pair.server);
        CHECK(rest == "rest");
    });
}

TEST_CASE("what read_until leaves is not copied, however often it is called") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        co_await pair.client.write("one\ntwo\nrest");
        auto whole = co_await pair.server.read_some();
        REQUIRE(whole.view() == "one\ntwo\nrest");
        const char* const at = whole.data();
        pair.server.unread(std::move(whole));
        const std::string one = co_await pair.server.read_until("\n");
        const std::string two = co_await pair.server.read_until("\n");
        CHECK(one + two == "one\ntwo\n");
        const auto rest = co_await pair.server.read_some();
        CHECK(rest.view() == "rest");
        CHECK(static_cast<const void*>(rest.data()) == at + 8);
    });
}

TEST_CASE("read_until finds a delimiter that comes in parts") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        auto write = [&]() -> task<> {
            for (const char* part : {"a", "-", "-", "=", "b--", "=", "x"}) {
                co_await pair.client.write(part);
                co_await bight::yield();
                co_await bight::yield();
            }
        };
        auto read = [&]() -> task<> {
            const std::string first = co_await pair.server.read_until("--=");
            CHECK(first == "a--=");
            const std::string second = co_await pair.server.read_until("--=");
            CHECK(second == "b--=");
            const auto chunk = co_await pair.server.read_some();
            CHECK(chunk.view() == "x");
        };
        co_await bight::when_all(write(), read());
    });
}

TEST_CASE("read_until throws too_long at its limit, and the bytes are still there") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        co_await pair.client.write("123456\n89\n");
        pair.client = {};
        const auto error = co_await error_of(pair.server.read_until("\n", 6));
        CHECK(error == errc::too_long);
        const std::string line = co_await pair.server.read_until("\n", 7);
        CHECK(line == "123456\n");
        const std::string last = co_await pair.server.read_until("\n", 3);
        CHECK(last == "89\n");
    });
}

TEST_CASE("read_until does not wait for more than its limit") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        co_await pair.client.write("12345678");
        const auto code =
            co_await bight::with_timeout(error_of(pair.server.read_until("\n", 8)), std::chrono::seconds(10));
        CHECK(code == errc::too_long);
        char all[8] = {};
        co_await pair.server.read_exactly(bight::mutable_buffer(all, sizeof all));
        CHECK(std::string(all, sizeof all) == "12345678");
    });
}

TEST_CASE("a cancelled read_until keeps the bytes for the next read") {
    test::on_each_real_socket([](test::family f) -> task<> {
        auto pair = co_await connected_to_raw(f);
        pair.raw.send("half");
        auto waits = [&]() -> task<> {
            const auto line = co_await pair.stream.read_until("\n");
            FAIL_CHECK("it got " << line);
        };
        const bool done = co_await bight::try_with_timeout(waits(), std::chrono::milliseconds(20));
        CHECK_FALSE(done);
        pair.raw.send(" and half\n");
        const auto line = co_await pair.stream.read_until("\n");
        CHECK(line == "half and half\n");
    });
}

TEST_CASE("a cancelled read loses no bytes") {
    test::on_each_real_socket([](test::family f) -> task<> {
        auto pair = co_await connected_to_raw(f);
        for (int i = 0; i < 50; ++i) {
            // The bytes come while the read is being cancelled, or before, or after.
            auto got = std::string();
            auto reads = [&]() -> task<> {
                const auto chunk = co_await pair.stream.read_some();
                got = chunk.view();
            };
            auto cancels = [&]() -> task<> {
                for (int turn = 0; turn < i % 3; ++turn) co_await bight::yield();
                pair.raw.send("x");
                for (int turn = 0; turn < i % 5; ++turn) co_await bight::yield();
            };
            co_await bight::when_any(cancels(), reads());
            if (got.empty()) {
                const auto chunk = co_await pair.stream.read_some();
                got = chunk.view();
            }
            CHECK(got == "x");
        }
    });
}

TEST_CASE("bytes given back are read first, by either kind of read") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        co_await pair.client.write("abcdef");
        pair.client = {};
        std::string six(6, '\0');
        co_await pair.server.read_exactly(six);
        pair.server.unread(bight::chunk::copy_of("wxyz"));
        std::array<char, 1> one{};
        const std::size_t got = co_await pair.server.read_some(bight::mutable_buffer(one.data(), 1));
        CHECK(got == 1);
        CHECK(one[0] == 'w');
        auto chunk = co_await pair.server.read_some();
        CHECK(chunk.view() == "xyz");
        pair.server.unread(std::move(chunk));
        const auto again = co_await read_all(pair.server);
        CHECK(again == "xyz");
    });
}

TEST_CASE("a write gathers its pieces in order, empty ones among them") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const std::string text = "text, ";
        const auto chunk = bight::chunk::copy_of("a chunk, ");
        std::string expected = "text, a chunk, and more";
        const auto writes = [&]() -> task<> {
            co_await pair.client.write("", text, std::string_view(), chunk, "and more", std::string());
            for (const std::size_t count : {1U, 1023U, 1024U, 1025U, 5000U}) {
                std::vector<std::string> texts;
                for (std::size_t i = 0; i < count; ++i) texts.push_back(i % 3 == 1 ? "" : pattern(i, i % 7));
                std::vector<bight::const_buffer> pieces(texts.begin(), texts.end());
                co_await pair.client.write(pieces);
                for (const auto& t : texts) expected += t;
            }
            pair.client = {};
        };
        std::string all;
        const auto reads = [&]() -> task<> { all = co_await read_all(pair.server); };
        co_await bight::when_all(writes(), reads());
        CHECK((all == expected));
    });
}

TEST_CASE("a write of a gather list larger than the socket's buffer arrives whole") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        std::string expected;
        auto write = [&]() -> task<> {
            std::vector<std::string> texts;
            for (std::size_t i = 0; i < 1500; ++i) texts.push_back(pattern(i * 31, i * 7 % 9001));
            for (const auto& t : texts) expected += t;
            std::vector<bight::const_buffer> pieces(texts.begin(), texts.end());
            co_await pair.client.write(pieces);
            co_await pair.client.close();
        };
        auto [nothing, all] = co_await bight::when_all(write(), read_all(pair.server));
        (void)nothing;
        CHECK((all == expected));
    });
}

TEST_CASE("a write of no bytes succeeds and sends nothing") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        co_await pair.client.write("");
        co_await pair.client.write("", std::string_view());
        co_await pair.client.write(std::span<bight::const_buffer>());
        co_await pair.client.write("x");
        const auto chunk = co_await pair.server.read_some();
        CHECK(chunk.view() == "x");
    });
}

TEST_CASE("a second reader gets busy, and the first goes on") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        auto first = [&]() -> task<std::string> {
            const auto chunk = co_await pair.server.read_some();
            co_return chunk.to_string();
        };
        auto second = [&]() -> task<std::error_code> {
            const auto error = co_await error_of(pair.server.read_some());
            co_await pair.client.write("for the first");
            co_return error;
        };
        const auto [text, error] = co_await bight::when_all(first(), second());
        CHECK(text == "for the first");
        CHECK(error == errc::busy);
    });
}

TEST_CASE("a second writer gets busy, and the first goes on") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const std::string large = pattern(0, 16U << 20);
        auto first = [&]() -> task<> {
            co_await pair.client.write(large);
            co_await pair.client.shutdown_write();
        };
        auto second = [&]() -> task<std::string> {
            const auto error = co_await error_of(pair.client.write("x"));
            CHECK(error == errc::busy);
            co_return co_await read_all(pair.server);
        };
        const auto [nothing, all] = co_await bight::when_all(first(), second());
        (void)nothing;
        CHECK((all == large));
    });
}

TEST_CASE("one task reads while another writes") {
    test::on_each_stream([](test::family f) -> task<> {
        constexpr std::size_t size = 4U << 20;
        auto pair = co_await connected_pair(f);
        const std::string up = pattern(1, size);
        const std::string down = pattern(2, size);
        auto write = [](stream& to, const std::string& text) -> task<> {
            co_await to.write(text);
            co_await to.shutdown_write();
        };
        const auto [n1, n2, at_server, at_client] = co_await bight::when_all(
            write(pair.client, up), write(pair.server, down), read_all(pair.server), read_all(pair.client));
        (void)n1;
        (void)n2;
        CHECK((at_server == up));
        CHECK((at_client == down));
    });
}

TEST_CASE("the non-throwing forms give the codes") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const auto written = co_await bight::as_result(pair.client.write("x"));
        CHECK(written.has_value());
        auto chunk = co_await bight::as_result(pair.server.read_some());
        REQUIRE(chunk.has_value());
        CHECK(chunk->view() == "x");
        const auto closed = co_await bight::as_result(pair.client.close());
        CHECK(closed.has_value());
        const auto late = co_await bight::as_result(pair.client.write("x"));
        CHECK(late.error() == errc::closed);
        const auto read = co_await bight::as_result(pair.client.read_some());
        CHECK(read.error() == errc::closed);
        std::string memory(3, '\0');
        const auto exactly = co_await bight::as_result(pair.server.read_exactly(memory));
        CHECK(exactly.error() == errc::end_of_stream);
    });
}

TEST_CASE("an error of a stream names the operation and the peer") {
    const auto kind = GENERATE(from_range(test::reactors()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        const std::string peer = pair.server.peer().to_string();
        pair.client.abort();
        std::string what;
        try {
            co_await pair.server.read_some();
        } catch (const std::system_error& e) {
            CHECK(e.code() == test::from_errno(ECONNRESET));
            what = e.what();
        }
        CHECK_THAT(what, Catch::Contains("read from " + peer));
    });
}

TEST_CASE("no-delay and keep-alive are options of the socket") {
    test::on_each_real_socket([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const auto option = [&](int level, int name) {
            int value = 0;  // some systems write one byte of it
            socklen_t size = sizeof value;
            REQUIRE(::getsockopt(pair.client.native_handle(), level, name, &value, &size) == 0);
            return value != 0;
        };
        if (test::is_tcp(f)) {
            CHECK(option(IPPROTO_TCP, TCP_NODELAY));
            pair.client.set_no_delay(false);
            CHECK_FALSE(option(IPPROTO_TCP, TCP_NODELAY));
        } else {
            pair.client.set_no_delay(true);  // has none: no error
        }
        CHECK_FALSE(option(SOL_SOCKET, SO_KEEPALIVE));
        pair.client.set_keep_alive(true);
        CHECK(option(SOL_SOCKET, SO_KEEPALIVE));
    });
}

TEST_CASE("a stream's handle moves while nothing is pending") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        stream moved = std::move(pair.client);
        CHECK_FALSE(static_cast<bool>(pair.client));
        CHECK_FALSE(pair.client.is_open());
        pair.client.abort();  // of nothing: nothing
        co_await moved.write("x");
        const auto chunk = co_await pair.server.read_some();
        CHECK(chunk.view() == "x");
    });
}

TEST_CASE("an empty stream gives EBADF, and says that it was moved from or never given a connection") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const stream kept = std::move(pair.client);
        stream& moved_from = pair.client;
        char memory[4];
        const auto empty = test::from_errno(EBADF);
        const std::error_code read = co_await error_of(moved_from.read_some());
        CHECK(read == empty);
        const std::error_code read_into = co_await error_of(moved_from.read_some(memory));
        CHECK(read_into == empty);
        const std::error_code read_nothing = co_await error_of(moved_from.read_some(bight::mutable_buffer()));
        CHECK(read_nothing == empty);
        const std::error_code written = co_await error_of(moved_from.write("text"));
        CHECK(written == empty);
        const std::error_code half = co_await error_of(moved_from.shutdown_write());
        CHECK(half == empty);
        const std::error_code closed = co_await error_of(moved_from.close());
        CHECK(closed == empty);
        std::string said;
        try {
            const auto line = co_await moved_from.read_until("\n");
            CHECK(line.empty());
        } catch (const std::system_error& e) {
            said = e.what();
        }
        CHECK_THAT(said, Catch::Contains("read from an empty stream, which was moved from"));
        CHECK_THROWS_AS(moved_from.set_no_delay(true), std::system_error);
        CHECK_THROWS_AS(moved_from.set_keep_alive(true), std::system_error);
        CHECK_THROWS_AS(bight::outbox(moved_from), std::system_error);
        CHECK(moved_from.native_handle() == -1);
        CHECK_FALSE(moved_from.is_open());
        moved_from.abort();
        co_await pair.server.close();
        bight::listener nowhere;
        const std::error_code accepted = co_await error_of(nowhere.accept());
        CHECK(accepted == empty);
    });
}

TEST_CASE(
    "what an empty stream, outbox or receiver has no error to give for ends the process with a message") {
    const auto moved = Catch::Contains("is empty: it was moved from");
    CHECK_THAT(test::dying_words([] { (void)stream().lower(); }), moved);
    CHECK_THAT(test::dying_words([] { stream().set_close_deadline(std::chrono::seconds(1)); }), moved);
    CHECK_THAT(test::dying_words([] { stream().unread(bight::chunk::copy_of("text")); }), moved);
    const auto in_a_task = [](auto body) {
        return test::dying_words([&] {
            bight::reactor r;
            r.run([](auto run) -> task<> { co_await run(); }(body));
        });
    };
    CHECK_THAT(in_a_task([]() -> task<> {
                   auto [here, there] = bight::sim::memory_pair();
                   bight::outbox out(here);
                   const bight::outbox kept(std::move(out));
                   co_await out.flush();
               }),
               moved);
    CHECK_THAT(in_a_task([]() -> task<> {
                   bight::watch<int> watched(1);
                   auto receiver = watched.subscribe();
                   const auto kept = std::move(receiver);
                   co_await receiver.changed();
               }),
               moved);
    CHECK_THAT(in_a_task([]() -> task<> {
                   bight::broadcast_channel<int> channel(1);
                   auto receiver = channel.subscribe();
                   const auto kept = std::move(receiver);
                   co_await receiver.receive();
               }),
               moved);
}

TEST_CASE("anything contiguous of single bytes can be written, and read into") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const std::vector<char> chars{'a', 'b'};
        const std::vector<std::byte> bytes{std::byte{'c'}, std::byte{'d'}};
        const std::array<unsigned char, 4> four{'e', 'f', 'g', 'h'};
        const unsigned char plain[2] = {'i', 0};  // no text: the zero is one of its bytes
        const std::array<char, 2> two{'j', 'k'};
        const std::u8string text(u8"lm");
        co_await pair.client.write(chars, bytes, four, plain, two, text, std::as_bytes(std::span(two)));
        co_await pair.client.close();
        std::vector<std::byte> first(4);
        co_await pair.server.read_exactly(first);
        CHECK(std::memcmp(first.data(), "abcd", 4) == 0);
        std::array<unsigned char, 4> second{};
        co_await pair.server.read_exactly(second);
        CHECK(second == four);
        char third[2] = {};
        co_await pair.server.read_exactly(std::as_writable_bytes(std::span(third)));
        CHECK(std::memcmp(third, plain, 2) == 0);
        const std::string rest = co_await read_all(pair.server);
        CHECK(rest == "jklmjk");
    });
    static_assert(!std::is_convertible_v<const std::vector<int>&, bight::const_buffer>);
    static_assert(!std::is_convertible_v<const std::u16string&, bight::const_buffer>);
    static_assert(!std::is_convertible_v<const std::string&, bight::mutable_buffer>);
}

TEST_CASE("bytes that were given back go with the stream, and hold no buffer of its reactor") {
    const auto kind = GENERATE(from_range(test::reactors()));
    const auto family = GENERATE(from_range(test::families()));
    CAPTURE(kind, family);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(family);
        co_await pair.client.write("unread");
        bight::chunk bytes = co_await pair.server.read_some();
        pair.server.unread(std::move(bytes));
        CHECK(on.reactor().statistics().live_buffers == 1);
        pair.server = bight::stream();
        CHECK(on.reactor().statistics().live_buffers == 0);
    });
}

TEST_CASE("a stream is not open from the call of close on, though its writes still wait") {
    bight::sim::memory_direction narrow;
    narrow.capacity = 4;
    test::on_memory(narrow, [](stream& from, stream& to) -> task<> {
        bight::outbox box(from);
        CHECK(box.send("more than fits"));
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { co_await from.close(); });
            CHECK(from.is_open());
            co_await test::turns(3);
            CHECK(box.queued() > 0);
            CHECK_FALSE(from.is_open());
            const auto got = co_await read_all(to);
            CHECK(got == "more than fits");
        });
        CHECK_FALSE(from.is_open());
        CHECK(to.is_open());  // the end of the peer
        co_await to.shutdown_write();
        CHECK(to.is_open());
        to.abort();
        CHECK_FALSE(to.is_open());
    });
}

TEST_CASE("a writer in bulk lets others have their turn, however many pieces a write has") {
    const auto kind = GENERATE(from_range(test::real_reactors()));
    const std::size_t pieces = GENERATE(1U, 2U, 8U);
    CAPTURE(kind, pieces);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        auto pair = co_await connected_to_raw(test::family::tcp);
        const std::string text = pattern(0, 1U << 20);
        std::size_t in_a_row = 0;
        std::size_t most = 0;
        bool over = false;
        std::thread reads([&] { pair.raw.receive_all(); });
        auto writes = [&]() -> task<> {
            for (int i = 0; i < 16; ++i) {
                const bight::const_buffer part(text.data(), text.size() / pieces);
                std::vector<bight::const_buffer> parts(pieces, part);
                co_await pair.stream.write(std::span(parts));
                in_a_row += text.size();
                most = std::max(most, in_a_row);
            }
            over = true;
            co_await pair.stream.shutdown_write();
        };
        auto has_turns = [&]() -> task<> {
            while (!over) {
                in_a_row = 0;
                co_await bight::yield();
            }
        };
        co_await bight::when_all(writes(), has_turns());
        reads.join();
        CHECK(most <= 4U << 20);  // 32 completions, of which 64 KiB are one
    });
}
