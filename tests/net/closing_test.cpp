// How connections end: close, half-close, abort, and what a peer's end does.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/each_connection.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

using bight::errc;
using bight::task;
using test::connected_pair;
using test::connected_to_raw;
using test::error_of;
using test::from_errno;
using test::pattern;
using test::read_all;

namespace {

// Resets belong to TCP, and to memory, where a stream does as over TCP.
template <class F>
void on_each_tcp(F body) {
    static const std::vector<test::family> families =
        test::those_here({test::family::tcp, test::family::tcp6, test::family::memory});
    test::on_each_connection_of(test::reactors(), families, std::move(body));
}

template <class F>
void on_each_tcp_real(F body) {
    static const std::vector<test::family> families =
        test::those_here({test::family::tcp, test::family::tcp6});
    test::on_each_connection_of(test::real_reactors(), families, std::move(body));
}

bool is_broken_pipe_or_reset(std::error_code e) {
    return e == from_errno(EPIPE) || e == from_errno(ECONNRESET);
}

// More than any socket's buffers take.
constexpr std::size_t larger_than_buffers = 24U << 20;

}  // namespace

TEST_CASE("8 MiB written and then closed arrive whole") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const std::string text = pattern(0, 8U << 20);
        auto write = [&]() -> task<> {
            co_await pair.client.write(text);
            co_await pair.client.close();
            CHECK_FALSE(pair.client.is_open());
        };
        const auto [nothing, all] = co_await bight::when_all(write(), read_all(pair.server));
        (void)nothing;
        CHECK(all.size() == 8388608);
        CHECK((all == text));
    });
}

TEST_CASE("close waits for the write of another task, and all of it arrives") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const std::string text = pattern(0, 8U << 20);
        bool written = false;
        auto write = [&]() -> task<> {
            co_await pair.client.write(text);
            written = true;
        };
        auto close = [&]() -> task<> {
            co_await pair.client.close();
            CHECK_FALSE(pair.client.is_open());
        };
        const auto [n1, n2, all] = co_await bight::when_all(write(), close(), read_all(pair.server));
        (void)n1;
        (void)n2;
        CHECK(written);
        CHECK((all == text));
    });
}

TEST_CASE("a write that begins after close gets closed, also while close still waits") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const std::string text = pattern(0, 8U << 20);
        auto write = [&]() -> task<> { co_await pair.client.write(text); };
        auto close = [&]() -> task<> { co_await pair.client.close(); };
        auto late = [&]() -> task<std::string> {
            const auto error = co_await error_of(pair.client.write("too late"));
            CHECK(error == errc::closed);
            co_return co_await read_all(pair.server);
        };
        const auto [n1, n2, all] = co_await bight::when_all(write(), close(), late());
        (void)n1;
        (void)n2;
        CHECK(all.size() == text.size());
        const auto error = co_await error_of(pair.client.write("too late"));
        CHECK(error == errc::closed);
    });
}

TEST_CASE("close is idempotent, and abort after close and close after abort change nothing") {
    test::on_each_stream([](test::family f) -> task<> {
        auto one = co_await connected_pair(f);
        co_await one.client.write("text");
        co_await one.client.close();
        co_await one.client.close();
        one.client.abort();
        co_await one.client.shutdown_write();
        const std::string all = co_await read_all(one.server);
        CHECK(all == "text");

        auto two = co_await connected_pair(f);
        two.client.abort();
        two.client.abort();
        co_await two.client.close();
        CHECK_FALSE(two.client.is_open());
        const auto error = co_await error_of(two.client.write("x"));
        CHECK(error == errc::aborted);
    });
}

TEST_CASE("a pending read ends with closed when its stream is closed") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        auto read = [&]() -> task<> {
            const auto error = co_await error_of(pair.client.read_some());
            CHECK(error == errc::closed);
        };
        auto close = [&]() -> task<> { co_await pair.client.close(); };
        co_await bight::when_all(read(), close());
    });
}

TEST_CASE("a stream closed with bytes that nobody read does not reset what it sent") {
    on_each_tcp_real([](test::family f) -> task<> {
        auto pair = co_await connected_to_raw(f);
        pair.raw.send(pattern(0, 10000));
        co_await pair.stream.write("the answer");
        co_await pair.stream.close();
        int error = 0;
        const std::string all = pair.raw.receive_all(&error);
        CHECK(all == "the answer");
        CHECK(error == 0);
    });
}

TEST_CASE("half-close: the peer reads the end and still sends") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const std::string answer = pattern(1, 3U << 20);
        auto client = [&]() -> task<std::string> {
            co_await pair.client.write("question");
            co_await pair.client.shutdown_write();
            const auto error = co_await error_of(pair.client.write("more"));
            CHECK(error == errc::closed);
            co_return co_await read_all(pair.client);
        };
        auto server = [&]() -> task<> {
            const std::string question = co_await read_all(pair.server);
            CHECK(question == "question");
            CHECK(pair.server.is_open());
            co_await pair.server.write(answer);
            co_await pair.server.shutdown_write();
        };
        const auto [got, nothing] = co_await bight::when_all(client(), server());
        (void)nothing;
        CHECK((got == answer));
        // Ended both ways, and still there until it is closed.
        CHECK(pair.client.is_open());
        CHECK(pair.server.is_open());
    });
}

TEST_CASE("shutdown_write waits for the write of another task") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const std::string text = pattern(3, 8U << 20);
        auto write = [&]() -> task<> { co_await pair.client.write(text); };
        auto end = [&]() -> task<> { co_await pair.client.shutdown_write(); };
        const auto [n1, n2, all] = co_await bight::when_all(write(), end(), read_all(pair.server));
        (void)n1;
        (void)n2;
        CHECK((all == text));
        co_await pair.server.write("still open");
        const auto chunk = co_await pair.client.read_some();
        CHECK(chunk.view() == "still open");
    });
}

TEST_CASE("shutdown_write twice, and of a stream whose peer has gone, is no error") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        pair.server.abort();
        co_await pair.client.shutdown_write();
        co_await pair.client.shutdown_write();
    });
}

TEST_CASE("the peer of an aborted TCP connection sees a reset, and it stays") {
    on_each_tcp([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        pair.client.abort();
        CHECK_FALSE(pair.client.is_open());
        for (int i = 0; i < 3; ++i) {
            const auto error = co_await error_of(pair.server.read_some());
            CHECK(error == from_errno(ECONNRESET));
        }
    });
}

TEST_CASE("the peer of an aborted Unix socket sees the end or a reset") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    const auto kind = GENERATE(from_range(test::reactors()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        auto quiet = co_await connected_pair(test::family::unix_path);
        quiet.client.abort();
        const std::string all = co_await read_all(quiet.server);
        CHECK(all.empty());
        // Unread bytes make a reset of it.
        auto busy = co_await connected_pair(test::family::unix_path);
        co_await busy.server.write("unread");
        busy.client.abort();
        const auto error = co_await error_of(busy.server.read_some());
        CHECK(error == from_errno(ECONNRESET));
    });
}

TEST_CASE("abort ends what is pending with aborted, in a later turn and not inside the call") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const std::string large = pattern(0, larger_than_buffers);
        bool read_ended = false;
        bool write_ended = false;
        auto read = [&]() -> task<> {
            const auto error = co_await error_of(pair.client.read_some());
            read_ended = true;
            CHECK(error == errc::aborted);
        };
        auto write = [&]() -> task<> {
            const auto error = co_await error_of(pair.client.write(large));
            write_ended = true;
            CHECK(error == errc::aborted);
        };
        auto abort = [&]() -> task<> {
            co_await bight::yield();
            CHECK_FALSE(read_ended);
            CHECK_FALSE(write_ended);
            pair.client.abort();
            CHECK_FALSE(read_ended);
            CHECK_FALSE(write_ended);
            pair.client.abort();
        };
        co_await bight::when_all(read(), write(), abort());
        CHECK(read_ended);
        CHECK(write_ended);
    });
}

TEST_CASE("abort gives its reason to what is pending") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        auto read = [&]() -> task<> {
            const auto error = co_await error_of(pair.client.read_some());
            CHECK(error == errc::backlog_exceeded);
        };
        auto abort = [&]() -> task<> {
            pair.client.abort(errc::backlog_exceeded);
            co_return;
        };
        co_await bight::when_all(read(), abort());
    });
}

TEST_CASE("a write to a peer that has gone fails with its errno and raises no signal") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        pair.server.abort();
        std::error_code first;
        for (int i = 0; i < 100 && !first; ++i) {
            first = co_await error_of(pair.client.write("x"));
            co_await bight::sleep_for(std::chrono::milliseconds(1));
        }
        CHECK(is_broken_pipe_or_reset(first));
        const auto second = co_await error_of(pair.client.write("x"));
        CHECK(is_broken_pipe_or_reset(second));
    });
}

TEST_CASE("a suspended write ends when the peer resets the connection") {
    on_each_tcp_real([](test::family f) -> task<> {
        auto pair = co_await connected_to_raw(f);
        const std::string large = pattern(0, larger_than_buffers);
        auto write = [&]() -> task<> {
            const auto error = co_await error_of(pair.stream.write(large));
            CHECK(is_broken_pipe_or_reset(error));
        };
        auto reset = [&]() -> task<> {
            co_await bight::sleep_for(std::chrono::milliseconds(5));
            pair.raw.reset();
        };
        co_await bight::when_all(write(), reset());
    });
}

TEST_CASE("bytes sent before a regular end are delivered before the end") {
    test::on_each_real_socket([](test::family f) -> task<> {
        auto pair = co_await connected_to_raw(f);
        const std::string text = pattern(5, 60000);
        pair.raw.send(text);
        pair.raw.close();
        std::string all;
        while (all.size() < text.size()) {
            const auto chunk = co_await pair.stream.read_some();
            REQUIRE(!chunk.empty());
            all += chunk.view();
            co_await bight::yield();
        }
        CHECK((all == text));
        const auto end = co_await pair.stream.read_some();
        CHECK(end.empty());
    });
}

TEST_CASE("close against a peer that never reads times out at its deadline and resets") {
    test::on_each_real_socket([](test::family f) -> task<> {
        auto pair = co_await connected_to_raw(f);
        const std::string large = pattern(0, larger_than_buffers);
        auto write = [&]() -> task<> {
            const auto error = co_await error_of(pair.stream.write(large));
            CHECK(error == errc::timed_out);
        };
        auto close = [&]() -> task<> {
            const auto error = co_await error_of(pair.stream.close(std::chrono::milliseconds(20)));
            CHECK(error == errc::timed_out);
        };
        co_await bight::when_all(write(), close());
        CHECK_FALSE(pair.stream.is_open());
        int error = 0;
        const std::string got = pair.raw.receive_all(&error);
        CHECK(got.size() < large.size());
        if (test::is_tcp(f)) CHECK(error == ECONNRESET);
    });
}

TEST_CASE("a cancelled close aborts the stream") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const std::string large = pattern(0, larger_than_buffers);
        auto write = [&]() -> task<> {
            const auto error = co_await error_of(pair.client.write(large));
            CHECK(error == errc::aborted);
        };
        auto close = [&]() -> task<> {
            const bool closed =
                co_await bight::try_with_timeout(pair.client.close(), std::chrono::milliseconds(10));
            CHECK_FALSE(closed);
        };
        co_await bight::when_all(write(), close());
        CHECK_FALSE(pair.client.is_open());
    });
}

TEST_CASE("dropping the handle of a stream ends the connection in good order") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        co_await pair.client.write("last words");
        pair.client = {};
        const std::string all = co_await read_all(pair.server);
        CHECK(all == "last words");
    });
}

TEST_CASE("the addresses of both ends agree") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        CHECK(pair.client.peer() == pair.server.local());
        if (test::is_tcp(f)) {
            CHECK(pair.client.local() == pair.server.peer());
            CHECK(pair.client.peer().port() != 0);
            CHECK(pair.client.peer().host() == (f == test::family::tcp ? "127.0.0.1" : "::1"));
        } else if (f == test::family::memory) {
            CHECK(pair.client.local() == pair.server.peer());
        } else {
            CHECK(pair.server.peer().to_string() == "unix:(unnamed)");
        }
    });
}

TEST_CASE("the peer of a connection that was reset keeps its name") {
    on_each_tcp([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const auto peer = pair.client.local();
        pair.client.abort();
        const auto error = co_await error_of(pair.server.read_some());
        CHECK(error == from_errno(ECONNRESET));
        CHECK(pair.server.peer() == peer);
    });
}

TEST_CASE("an idle connection that is cancelled leaves nothing") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        for (int i = 0; i < 20; ++i) {
            auto read = [&]() -> task<> { co_await pair.server.read_some(); };
            const bool got = co_await bight::try_with_timeout(read(), std::chrono::nanoseconds(1));
            CHECK_FALSE(got);
        }
        co_await pair.client.write("x");
        const auto chunk = co_await pair.server.read_some();
        CHECK(chunk.view() == "x");
    });
}

TEST_CASE(
    "a connection that a task of when_all holds is closed when that task ends, whatever the others do") {
    test::on_each_stream([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        auto handle = [](bight::stream peer) -> task<> { co_await peer.write("all there is"); };
        auto read_to_the_end = [&]() -> task<> {
            const std::string got = co_await read_all(pair.client);
            CHECK(got == "all there is");
        };
        co_await bight::when_all(handle(std::move(pair.server)), read_to_the_end());
    });
}

TEST_CASE("a connection whose task fails in a race is reset at once, whatever the others do") {
    on_each_tcp([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        auto handle = [](bight::stream) -> task<> {
            co_await bight::yield();
            throw std::runtime_error("of the handler");
        };
        auto sees_the_reset = [&]() -> task<> {
            const std::error_code got = co_await error_of(pair.client.read_some());
            CHECK(got == from_errno(ECONNRESET));
        };
        co_await bight::race(handle(std::move(pair.server)), sees_the_reset());
    });
}
