// send_file: a part of a file goes into a stream, whatever that is.
#include <bight/net/send_file.hpp>

#include "pattern_file.hpp"

#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/each_connection.hpp"
#include "support/error_of.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

using bight::send_file;
using bight::task;
using test::error_of;
using test::pattern;
using test::pattern_file;
using test::stream_pair;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t all_bytes = 1'500'000;

/// `body(pair, file)` over each kind of stream on each reactor; the file has `all_bytes`.
template <class F>
void on_each_stream_with_file(F body) {
    test::on_each_stream([&](test::family f) -> task<> {
        const pattern_file file(all_bytes);
        stream_pair pair = co_await test::connected_pair(f);
        co_await body(pair, file);
    });
}

task<> end(bight::stream& s) { co_await s.shutdown_write(); }

/// Until nothing more is sent, because the peer takes no more; on a simulated host that may be nothing at
/// all.
task<> until_stuck(const std::uint64_t& sent) {
    std::uint64_t before = sent;
    for (int looks = 0; looks < 3 || (sent == 0 && looks < 100); looks = sent == before ? looks + 1 : 0) {
        before = sent;
        co_await bight::sleep_for(10ms);
    }
}

}  // namespace

TEST_CASE("send_file writes just the part that was asked for, and leaves the file's position alone") {
    on_each_stream_with_file([](stream_pair& pair, const pattern_file& file) -> task<> {
        REQUIRE(::lseek(file.fd(), 17, SEEK_SET) == 17);
        std::uint64_t sent = 0;
        auto serve = [&]() -> task<> {
            co_await send_file(pair.server, file.handle(), 0, all_bytes);
            co_await send_file(pair.server, file.handle(), 65'537, 1);
            co_await send_file(pair.server, file.handle(), 5, 0);
            co_await send_file(pair.server, file.handle(), 700'001, 300'007, sent);
            co_await end(pair.server);
        };
        auto receive = [&]() -> task<> {
            const std::string got = co_await test::read_all(pair.client);
            const bool same = got == pattern(0, all_bytes) + pattern(65'537, 1) + pattern(700'001, 300'007);
            CHECK(same);
        };
        co_await bight::when_all(serve(), receive());
        CHECK(sent == 300'007);
#ifndef _WIN32  // where each read moves it
        CHECK(::lseek(file.fd(), 0, SEEK_CUR) == 17);
#endif
    });
}

TEST_CASE("one open file is sent to several streams at once") {
    const auto kind = GENERATE(from_range(test::reactors()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        const pattern_file file(all_bytes);
        auto serve_one = [&](std::size_t from) -> task<> {
            stream_pair pair = co_await test::connected_pair(test::family::tcp);
            auto serve = [&]() -> task<> {
                co_await send_file(pair.server, file.handle(), from, all_bytes - from);
                co_await end(pair.server);
            };
            auto [got, n] = co_await bight::when_all(test::read_all(pair.client), serve());
            (void)n;
            const bool same = got == pattern(from, all_bytes - from);
            CHECK(same);
        };
        co_await bight::when_all(serve_one(0), serve_one(1), serve_one(300'000));
    });
}

TEST_CASE("a file that ends too early is an error, and its part does not look whole") {
    on_each_stream_with_file([](stream_pair& pair, const pattern_file& file) -> task<> {
        std::uint64_t sent = 1;
        // Nothing was written: the stream is as it was.
        const auto none = co_await error_of(send_file(pair.server, file.handle(), all_bytes, 1, sent));
        CHECK(none == bight::errc::end_of_stream);
        CHECK(sent == 0);
        co_await pair.server.write("sorry");
        const std::string sorry = co_await pair.client.read_until("y");
        CHECK(sorry == "sorry");

        std::error_code error;
        auto serve = [&]() -> task<> {
            error = co_await error_of(send_file(pair.server, file.handle(), 1, all_bytes, sent));
            const auto closed = co_await error_of(pair.server.close());
            CHECK(closed == bight::errc::aborted);
        };
        auto receive = [&]() -> task<> { (void)co_await bight::as_result(test::read_all(pair.client)); };
        co_await bight::when_all(serve(), receive());
        CHECK(error == bight::errc::end_of_stream);
        CHECK(sent == all_bytes - 1);
    });
}

TEST_CASE("a peer that does not read holds up send_file; cancelled, it leaves no part that looks whole") {
    test::on_each_stream([](test::family f) -> task<> {
        constexpr std::size_t more_than_buffers = std::size_t{24} << 20;
        const pattern_file file(more_than_buffers);
        stream_pair pair = co_await test::connected_pair(f);
        std::uint64_t sent = 0;
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(one.run(send_file(pair.server, file.handle(), 0, more_than_buffers, sent)));
            co_await until_stuck(sent);
            one.cancel();
        });
        CHECK_FALSE(one.ended());
        CHECK(sent < more_than_buffers);
        const auto closed = co_await error_of(pair.server.close());
        CHECK(closed == bight::errc::aborted);
    });
}

TEST_CASE("send_file that is cancelled in any of its turns has sent a beginning of the part, or nothing") {
    const auto kind = GENERATE(from_range(test::reactors()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        const pattern_file file(all_bytes);
        for (int n = 0;; ++n) {
            CAPTURE(n);
            REQUIRE(n < 10'000);
            stream_pair pair = co_await test::connected_pair(test::family::tcp);
            std::uint64_t sent = 0;
            std::string got;
            test::cancellable one;
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> {
                    for (;;) {
                        const auto data = co_await bight::as_result(pair.client.read_some());
                        if (!data || data->empty()) co_return;
                        got += data->view();
                    }
                });
                bight::spawned_task sending =
                    g.spawn(one.run(send_file(pair.server, file.handle(), 7, all_bytes - 7, sent)));
                co_await test::turns(n);
                one.cancel();
                co_await sending.wait();
                const auto closed = co_await error_of(pair.server.close());
                CHECK((closed == bight::errc::aborted) == (sent > 0 && sent < all_bytes - 7));
            });
            const bool beginning = got == pattern(7, got.size());
            CHECK(beginning);
            CHECK(got.size() <= sent);
            if (sent == all_bytes - 7) break;
            n += n / 2;
        }
    });
}

TEST_CASE("send_file that is cancelled while it waits for the file ends when that read has ended") {
    const auto kind = GENERATE(from_range(test::real_reactors()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        const pattern_file file(all_bytes);
        for (int n = 0; n < 40; ++n) {
            CAPTURE(n);
            stream_pair pair = co_await test::connected_pair(test::family::memory);  // each part is a read
            std::string got;
            test::cancellable one;
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> {
                    for (;;) {
                        const auto data = co_await bight::as_result(pair.client.read_some());
                        if (!data || data->empty()) co_return;
                        got += data->view();
                    }
                });
                bight::spawned_task sending =
                    g.spawn(one.run(send_file(pair.server, file.handle(), 7, all_bytes - 7)));
                co_await test::turns(n);
                one.cancel();
                co_await sending.wait();
                pair.server.abort();
            });
            CHECK_FALSE(one.running());
            const bool beginning = got == pattern(7, got.size());
            CHECK(beginning);
        }
    });
}

TEST_CASE(
    "nobody writes amid a file: messages and files wait for its end, and a write beside it is refused") {
    on_each_stream_with_file([](stream_pair& pair, const pattern_file& file) -> task<> {
        const std::string header = pattern(99, 400'000);
        bight::outbox out(pair.server, {.capacity = 1'000'000});
        CHECK(out.send(bight::payload(header)));
        std::uint64_t sent = 0;
        auto first = [&]() -> task<> {
            co_await send_file(pair.server, file.handle(), 0, all_bytes, sent);
            CHECK(sent == all_bytes);
        };
        auto second = [&]() -> task<> {
            co_await send_file(pair.server, file.handle(), 3, 100'000);
            co_await end(pair.server);
        };
        bight::outbox other(pair.server);
        auto others = [&]() -> task<> {
            CHECK(other.send("behind"));
            while (sent < all_bytes) {
                const auto beside = co_await error_of(pair.server.write("amid"));
                if (beside != bight::errc::busy) FAIL_CHECK("a write beside it gave " << beside.message());
                co_await bight::sleep_for(1ms);
            }
        };
        auto [got, a, b, c] =
            co_await bight::when_all(test::read_all(pair.client), first(), others(), second());
        (void)a, (void)b, (void)c;
        const bool same = got == header + pattern(0, all_bytes) + "behind" + pattern(3, 100'000);
        CHECK(same);
    });
}

TEST_CASE("a close waits for the whole file, and resets the connection when its time is up") {
    const bool reads = GENERATE(true, false);
    const bool only_writing = GENERATE(false, true);
    test::on_each_stream([&](test::family f) -> task<> {
        constexpr std::size_t more_than_buffers = std::size_t{24} << 20;
        const pattern_file file(more_than_buffers);
        stream_pair pair = co_await test::connected_pair(f);
        std::uint64_t sent = 0;
        auto close = [&]() -> task<std::error_code> {
            co_await until_stuck(sent);
            const auto patience = reads ? bight::duration(10s) : bight::duration(20ms);
            if (only_writing) co_return co_await error_of(pair.server.shutdown_write(patience));
            co_return co_await error_of(pair.server.close(patience));
        };
        bool closed = false;
        auto closing = [&]() -> task<std::error_code> {
            const auto how = co_await close();
            closed = true;
            co_return how;
        };
        auto receive = [&]() -> task<std::string> {
            co_await until_stuck(sent);
            if (!reads) {
                while (!closed) co_await bight::sleep_for(5ms);
            }
            std::string got;
            for (;;) {
                const auto data = co_await bight::as_result(pair.client.read_some());
                if (!data || data->empty()) break;
                got += data->view();
            }
            co_return got;
        };
        auto [got, sending, how] = co_await bight::when_all(
            receive(), error_of(send_file(pair.server, file.handle(), 0, more_than_buffers, sent)),
            closing());
        CHECK(how == (reads ? std::error_code() : make_error_code(bight::errc::timed_out)));
        CHECK(sending == how);
        const bool whole = got == pattern(0, more_than_buffers);
        CHECK(whole == reads);
    });
}

TEST_CASE("a stream that is given away while a file goes into it gets all of it") {
    test::on_each_stream([](test::family f) -> task<> {
        constexpr std::size_t more_than_buffers = std::size_t{24} << 20;
        const pattern_file file(more_than_buffers);
        stream_pair pair = co_await test::connected_pair(f);
        std::uint64_t sent = 0;
        auto serve = [&]() -> task<> {
            co_await send_file(pair.server, file.handle(), 0, more_than_buffers, sent);
        };
        auto give_away = [&]() -> task<std::string> {
            co_await until_stuck(sent);
            CHECK(sent < more_than_buffers);
            pair.server = bight::stream();
            co_return co_await test::read_all(pair.client);
        };
        auto [a, got] = co_await bight::when_all(serve(), give_away());
        (void)a;
        const bool same = got == pattern(0, more_than_buffers);
        CHECK(same);
    });
}

TEST_CASE("send_file to a peer that has gone is an error of the connection") {
    const auto kind = GENERATE(from_range(test::reactors()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        constexpr std::size_t more_than_buffers = std::size_t{24} << 20;
        const pattern_file file(more_than_buffers);
        stream_pair pair = co_await test::connected_pair(test::family::tcp);
        std::uint64_t sent = 0;
        auto go = [&]() -> task<> {
            co_await until_stuck(sent);
            pair.client.abort();
        };
        const auto [error, n] = co_await bight::when_all(
            error_of(send_file(pair.server, file.handle(), 0, more_than_buffers, sent)), go());
        (void)n;
        const bool gone = error == test::from_errno(ECONNRESET) || error == test::from_errno(EPIPE);
        CHECK(gone);
        CHECK(sent < more_than_buffers);
    });
}

TEST_CASE("what send_file cannot send is refused by name, and leaves the stream as it was") {
    on_each_stream_with_file([](stream_pair& pair, const pattern_file& file) -> task<> {
        bight::stream none;
        const auto empty = co_await error_of(send_file(none, file.handle(), 0, 1));
        CHECK(empty == test::from_errno(EBADF));
        constexpr auto largest = std::numeric_limits<std::uint64_t>::max();
        const auto far = co_await error_of(send_file(pair.server, file.handle(), largest, 1));
        CHECK(far == std::errc::value_too_large);
        const auto over = co_await error_of(send_file(pair.server, file.handle(), 2, largest / 2));
        CHECK(over == std::errc::value_too_large);
        const auto closed = co_await error_of(send_file(pair.server, -1, 0, 1));
        CHECK(closed == std::errc::bad_file_descriptor);
        co_await pair.server.write("fine");
        const std::string fine = co_await pair.client.read_until("e");
        CHECK(fine == "fine");
    });
}
