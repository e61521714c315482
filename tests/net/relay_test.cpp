// copy and relay: what one stream gives goes into another.
#include <bight/net/relay.hpp>

#include "proxied_line.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/error_of.hpp"
#include "support/few_descriptors.hpp"
#include "support/reactors.hpp"
#include "support/unix_sockets.hpp"

#include <bight/bight.hpp>

#ifdef __linux__
#include <linux/net_tstamp.h>
#endif
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

using bight::stream;
using bight::task;
using test::connected_line;
using test::connected_pair;
using test::expect;
using test::line;
using test::much;
using test::pattern;
using test::send_and_end;
using test::stream_pair;
using namespace std::chrono_literals;

TEST_CASE("copy passes on everything until the end, and leaves the other stream open") {
    test::on_each_line([](line& l) -> task<> {
        std::uint64_t bytes = 0;
        auto proxy = [&]() -> task<> {
            bytes = co_await bight::copy(l.a(), l.b());
            CHECK(l.b().is_open());
            co_await l.b().write("and more");
            co_await l.b().shutdown_write();
        };
        auto expect_more = [&]() -> task<> {
            const std::string got = co_await test::read_all(l.server());
            const bool same = got == pattern(7, much) + "and more";
            CHECK(same);
        };
        co_await bight::when_all(send_and_end(l.client(), 7, much), proxy(), expect_more());
        CHECK(bytes == much);
    });
}

TEST_CASE("relay passes on both directions at once, and each end as an end") {
    test::on_each_line([](line& l) -> task<> {
        bight::relayed passed;
        auto proxy = [&]() -> task<> { passed = co_await bight::relay(l.a(), l.b()); };
        co_await bight::when_all(send_and_end(l.client(), 1, much), expect(l.server(), 1, much),
                                 send_and_end(l.server(), 2, much / 2), expect(l.client(), 2, much / 2),
                                 proxy());
        CHECK(passed.from_a == much);
        CHECK(passed.from_b == much / 2);
    });
}

TEST_CASE("relay keeps a half-closed connection: the answer comes after the end of the question") {
    test::on_each_line([](line& l) -> task<> {
        auto proxy = [&]() -> task<> { co_await bight::relay(l.a(), l.b()); };
        auto answer = [&]() -> task<> {
            const std::string question = co_await test::read_all(l.server());
            CHECK(question.size() == 100'000);
            co_await send_and_end(l.server(), 5, much);
        };
        co_await bight::when_all(send_and_end(l.client(), 0, 100'000), answer(), expect(l.client(), 5, much),
                                 proxy());
    });
}

TEST_CASE("what was read ahead, and what was given back, is passed on first") {
    test::on_each_line([](line& l) -> task<> {
        auto proxy = [&]() -> task<> {
            const std::string first = co_await l.a().read_until("\n");
            CHECK(first == "for the proxy\n");
            co_await bight::relay(l.a(), l.b());
        };
        auto ask = [&]() -> task<> {
            co_await l.client().write("for the proxy\n", "and the rest");
            co_await l.client().shutdown_write();
        };
        auto serve = [&]() -> task<> {
            const std::string got = co_await test::read_all(l.server());
            CHECK(got == "and the rest");
            co_await l.server().shutdown_write();
        };
        co_await bight::when_all(proxy(), ask(), serve());
    });
}

TEST_CASE("a server that does not read holds up its client") {
    test::on_each_line([](line& l) -> task<> {
        std::size_t written = 0;
        bool reading = false;
        auto ask = [&]() -> task<> {
            const std::string part = pattern(0, 1U << 16);
            for (int i = 0; i < 512; ++i) {
                co_await l.client().write(part);
                if (!reading) written += part.size();
            }
            co_await l.client().shutdown_write();
        };
        auto serve = [&]() -> task<> {
            for (std::size_t before = 1; before != written;) {
                before = written;
                co_await bight::sleep_for(std::chrono::milliseconds(20));
            }
            CHECK(written < (std::size_t{1} << 25));
            reading = true;
            std::size_t size = 0;
            while (auto data = co_await l.server().read_some()) size += data.size();
            CHECK(size == std::size_t{1} << 25);
            co_await l.server().shutdown_write();
        };
        auto proxy = [&]() -> task<> { co_await bight::relay(l.a(), l.b()); };
        co_await bight::when_all(ask(), serve(), proxy());
    });
}

TEST_CASE("a relay that is cancelled in bulk resets both ends") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(test::family::tcp);
        const std::string large = pattern(0, 24U << 20);
        std::error_code error;
        auto ask = [&]() -> task<> { error = co_await test::error_of(l.client().write(large)); };
        std::string how;
        auto serve = [&]() -> task<> {
            how = co_await test::rest(l.server());
            how = how.substr(how.rfind(", "));
        };
        auto proxy = [&]() -> task<> {
            const auto done =
                co_await bight::try_with_timeout(bight::relay(l.a(), l.b()), std::chrono::milliseconds(5));
            CHECK_FALSE(done.has_value());
            l.a().abort();
            l.b().abort();
        };
        co_await bight::when_all(ask(), serve(), proxy());
        CHECK(error == test::from_errno(ECONNRESET));
        CHECK(how == ", error " + std::to_string(ECONNRESET));
    });
}

// What cancels is told of first, and the room for the copy in the same wait, so that the copy's turn has been
// queued when it is cancelled. Then a part is written, and the rest must not be waited for.
TEST_CASE("a copy that is cancelled when its peer has just made room ends, though the peer reads no more") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(test::family::tcp);
        stream_pair bell = co_await connected_pair(test::family::tcp);
        // Less than a pipe holds, so that what has room is a part.
        const int little = 1 << 15;
        REQUIRE(::setsockopt(l.b().native_handle(), SOL_SOCKET, SO_SNDBUF, &little, sizeof little) == 0);
        auto stalled_copy = [&](bight::group& g) -> task<> {
            std::uint64_t written = 0;
            auto ask = [&]() -> task<> {
                const std::string part = pattern(0, 1U << 16);
                for (;; ++written) co_await l.client().write(part);
            };
            auto pass_on = [&]() -> task<> { (void)co_await bight::copy(l.a(), l.b()); };
            bight::spawned_task asking = g.spawn(ask);
            bight::spawned_task copying = g.spawn(pass_on);
            auto cancel_both = [&]() -> task<> {
                (void)co_await bell.server.read_some();
                copying.cancel();
                asking.cancel();
            };
            bight::spawned_task cancelling = g.spawn(cancel_both);
            for (std::uint64_t before = 1; before != written;) {
                before = written;
                co_await bight::sleep_for(std::chrono::milliseconds(10));
            }
            co_await bell.client.write("!");
            std::string taken(1U << 16, ' ');
            for (int i = 0; i < 16; ++i)
                (void)::recv(l.server().native_handle(), taken.data(), taken.size(), MSG_DONTWAIT);
            co_await cancelling.wait();
        };
        const bool in_time = co_await bight::try_with_timeout(bight::with_group(stalled_copy), 5s);
        CHECK(in_time);
    });
}

TEST_CASE("a reset in bulk ends the relay with the error, whichever end it comes from") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool client_resets = GENERATE(true, false);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(test::family::tcp);
        const std::string large = pattern(0, 24U << 20);
        auto ask = [&]() -> task<> { (void)co_await test::error_of(l.client().write(large)); };
        auto serve = [&]() -> task<> {
            std::size_t size = 0;
            while (size < much) {
                const bight::chunk data = co_await l.server().read_some();
                size += data.size();
            }
            if (client_resets) {
                l.client().abort();
                (void)co_await test::rest(l.server());
            } else {
                l.server().abort();
            }
        };
        std::error_code error;
        auto proxy = [&]() -> task<> {
            error = co_await test::error_of(bight::relay(l.a(), l.b()));
            l.a().abort();
            l.b().abort();
        };
        co_await bight::when_all(ask(), serve(), proxy());
        CHECK((error == test::from_errno(ECONNRESET) || error == test::from_errno(EPIPE)));
    });
}

TEST_CASE("without descriptors for a pipe everything is copied") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(test::family::tcp);
        const test::few_descriptors none(1);
        auto proxy = [&]() -> task<> { co_await bight::relay(l.a(), l.b()); };
        co_await bight::when_all(send_and_end(l.client(), 3, much), expect(l.server(), 3, much),
                                 send_and_end(l.server(), 4, 10), expect(l.client(), 4, 10), proxy());
    });
}

TEST_CASE("urgent data does not hold up a relay in bulk, nor its reactor, and is not passed on") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        auto front = co_await test::connected_to_raw(test::family::tcp);
        stream_pair back = co_await connected_pair(test::family::tcp);
        auto send = [](int fd) {
            const std::string half = pattern(0, much);
            const auto all_of = [fd](const char* bytes, std::size_t size, int flags) {
                for (std::size_t sent = 0; sent < size;) {
                    const ssize_t more = ::send(fd, bytes + sent, size - sent, flags | MSG_NOSIGNAL);
                    if (more < 0) return;
                    sent += static_cast<std::size_t>(more);
                }
            };
            all_of(half.data(), half.size(), 0);
            all_of("!", 1, MSG_OOB);
            all_of(half.data(), half.size(), 0);
            ::shutdown(fd, SHUT_WR);
        };
        auto client = [&]() -> task<> { co_await bight::offload([&] { send(front.raw.get()); }); };
        auto proxy = [&]() -> task<> { co_await bight::relay(front.stream, back.client); };
        auto serve = [&]() -> task<> {
            const std::string got = co_await test::read_all(back.server);
            const bool same = got == pattern(0, much) + pattern(0, much);
            CHECK(same);
            co_await back.server.shutdown_write();
        };
        co_await bight::when_all(client(), proxy(), serve());
    });
}

TEST_CASE(
    "bytes that a cancelled copy has read and not written are missed: the other stream ends with a reset") {
    const auto at_once = GENERATE(true, false);
    test::on_each_line([at_once](line& l) -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto cut = [&]() -> task<> { (void)co_await bight::copy(l.a(), l.b()); };
            bight::spawned_task copying = g.spawn(cut);
            co_await bight::sleep_for(std::chrono::milliseconds(5));
            co_await l.client().write("12345");
            // In memory the read is done now, and the task goes on in the next turn, in which the write is
            // cancelled.
            if (!at_once) co_await bight::yield();
            copying.cancel();
        });
        l.b() = stream();
        const std::string how = co_await test::rest(l.server());
        if (how.find(", error") != std::string::npos) co_return;
        if (l.a().native_handle() >= 0 && l.a().local().family() == bight::address::family_type::unix_domain)
            co_return;  // it has no reset
        // Otherwise nothing is missing.
        std::string all = how.substr(0, how.find(", end"));
        auto left = co_await bight::try_with_timeout(l.a().read_some(), std::chrono::milliseconds(50));
        if (left) all += left->view();
        CHECK(all == "12345");
    });
}

TEST_CASE("a socket that was adopted and blocks is copied, and holds up nobody") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool source = GENERATE(true, false);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        auto front = co_await test::connected_to_raw(test::family::tcp);
        auto back = co_await test::connected_to_raw(test::family::tcp);
        // What stands for the proxy's end is a plain socket, which blocks: a call that waited in it would
        // keep the time-out below from coming.
        const int blocking = source ? front.raw.get() : back.raw.get();
        stream adopted = co_await bight::connect("fd:" + std::to_string(blocking));
        stream& from = source ? adopted : front.stream;
        stream& to = source ? back.stream : adopted;
        const std::string all = pattern(0, 32U << 20);
        bool done = false;
        auto proxy = [&]() -> task<> {
            const auto copied =
                co_await bight::try_with_timeout(bight::copy(from, to), std::chrono::milliseconds(200));
            CHECK_FALSE(copied.has_value());
            done = true;
        };
        auto feed = [&]() -> task<> {
            stream& feeder = source ? front.stream : back.stream;
            if (source) {
                (void)co_await bight::try_with_timeout(feeder.write(all), std::chrono::milliseconds(200));
            } else {
                std::size_t sent = 0;
                while (!done) {
                    const ssize_t more = ::send(front.raw.get(), all.data() + sent, all.size() - sent,
                                                MSG_DONTWAIT | MSG_NOSIGNAL);
                    if (more > 0) sent += static_cast<std::size_t>(more);
                    co_await bight::sleep_for(std::chrono::milliseconds(1));
                }
            }
        };
        co_await bight::when_all(proxy(), feed());
        front.stream.abort();
        back.stream.abort();
        adopted.abort();
    });
}

TEST_CASE(
    "a relay that is cancelled while both peers are silent resets both: a part is not taken for the whole") {
    test::on_each_line([](line& l) -> task<> {
        if (l.a().native_handle() >= 0 && l.a().local().family() == bight::address::family_type::unix_domain)
            co_return;  // it has no reset
        auto proxy = [&]() -> task<> {
            const auto done =
                co_await bight::try_with_timeout(bight::relay(l.a(), l.b()), std::chrono::milliseconds(30));
            CHECK_FALSE(done.has_value());
            l.a() = stream();
            l.b() = stream();
        };
        auto ask = [&]() -> task<std::string> {
            co_await l.client().write("ask");
            co_return co_await test::rest(l.client());
        };
        auto serve = [&]() -> task<std::string> {
            std::string question(3, ' ');
            co_await l.server().read_exactly(question);
            co_await l.server().write("part");
            co_return co_await test::rest(l.server());
        };
        const auto [client, server, nothing] = co_await bight::when_all(ask(), serve(), proxy());
        (void)nothing;
        CHECK(client.find(", error") != std::string::npos);
        CHECK(server.find(", error") != std::string::npos);
    });
}

TEST_CASE("a copy or a relay of an empty stream is an error, and ends no process") {
    test::on_each_line([](line& l) -> task<> {
        stream none;
        const auto relayed = co_await test::error_of(bight::relay(l.a(), none));
        CHECK(relayed == test::from_errno(EBADF));
        const auto copied = co_await test::error_of(bight::copy(none, l.a()));
        CHECK(copied == test::from_errno(EBADF));
    });
}

TEST_CASE("relay passes on what the server said before it reset the question") {
    test::on_each_line([](line& l) -> task<> {
        std::error_code ended;
        std::string got;
        auto proxy = [&]() -> task<> { ended = co_await test::error_of(bight::relay(l.a(), l.b())); };
        auto ask = [&]() -> task<> {
            const std::string part = pattern(0, 100'000);
            for (;;) {
                const auto taken =
                    co_await bight::try_with_timeout(bight::as_result(l.client().write(part)), 1s);
                if (!taken || ended) co_return;
            }
        };
        auto hear = [&]() -> task<> {
            while (got.size() < 6) got += (co_await l.client().read_some()).view();
        };
        auto refuse = [&]() -> task<> {
            auto some = co_await l.server().read_some();
            co_await l.server().write("no way");
            l.server().abort();
        };
        co_await bight::race(hear(), [&]() -> task<> {
            co_await bight::when_all(proxy(), refuse(), ask());
            co_await bight::sleep_for(1h);
        }());
        CHECK(got == "no way");
    });
}

TEST_CASE("how much went through is known also when a relay ends with a reset, or is cancelled") {
    const bool cancelled = GENERATE(true, false);
    test::on_each_line([cancelled](line& l) -> task<> {
        if (!cancelled && l.a().native_handle() >= 0 &&
            l.a().local().family() == bight::address::family_type::unix_domain)
            co_return;  // it has no reset
        bight::relayed passed{1, 2};
        auto proxy = [&]() -> task<> {
            const auto error = co_await test::error_of(bight::relay(l.a(), l.b(), passed));
            CHECK(error);
        };
        auto talk = [&]() -> task<> {
            std::string question(much, '\0');
            auto ask = [&]() -> task<> { co_await l.client().write(pattern(0, much)); };
            auto hear = [&]() -> task<> { co_await l.server().read_exactly(question); };
            co_await bight::when_all(ask(), hear());
            std::string answer(10, '\0');
            co_await l.server().write("an answer.");
            co_await l.client().read_exactly(answer);
            CHECK(passed.from_a == much);
            CHECK(passed.from_b == 10);
            if (!cancelled) l.client().abort();
        };
        if (cancelled) {
            co_await bight::race(proxy(), talk());
        } else {
            co_await bight::when_all(proxy(), talk());
        }
        CHECK(passed.from_a == much);
        CHECK(passed.from_b == 10);
    });
}

TEST_CASE("a large answer is passed on to a client that reads only when it has sent all") {
    test::need_unix_sockets();  // over TCP a peer that reads no more does not tell
    const auto kind = GENERATE(from_range(test::real_reactors()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(test::family::unix_path);
        std::error_code ended;
        auto proxy = [&]() -> task<> { ended = co_await test::error_of(bight::relay(l.a(), l.b())); };
        auto ask = [&]() -> task<> {
            co_await send_and_end(l.client(), 0, 4 * much);
            co_await expect(l.client(), 5, much);
        };
        REQUIRE(::shutdown(l.server().native_handle(), SHUT_RD) == 0);  // a write to it is EPIPE now
        co_await bight::when_all(proxy(), ask(), send_and_end(l.server(), 5, much));
        CHECK(ended == std::errc::broken_pipe);
    });
}

TEST_CASE("a relay with a stream of another reactor is refused, and leaves that one alone") {
    const auto kind = GENERATE(from_range(test::real_reactors()));
    const bool relays = GENERATE(false, true);
    CAPTURE(kind, relays);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        std::error_code refused;
        std::thread elsewhere([&] {
            bight::reactor r(test::options_on(kind.kind));
            r.run([](stream& foreign, bool relays_it, std::error_code& how) -> task<> {
                auto own = co_await connected_pair(test::family::tcp);
                co_await own.client.write("12345");
                if (relays_it) {
                    how = co_await test::error_of(bight::relay(own.server, foreign));
                } else {
                    how = co_await test::error_of(bight::copy(own.server, foreign));
                }
            }(pair.client, relays, refused));
        });
        elsewhere.join();
        CHECK(refused == bight::errc::wrong_thread);
        co_await pair.client.write("all is well");
        co_await pair.client.close();
        const std::string got = co_await test::read_all(pair.server);
        CHECK(got == "all is well");
    });
}

#ifdef __linux__
TEST_CASE("a copy waits for room, and can be cancelled, where the target has a message in its error queue") {
    const auto kind = GENERATE(from_range(test::real_reactors()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(test::family::tcp);
        const int flags =
            SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
        REQUIRE(::setsockopt(l.b().native_handle(), SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags) == 0);
        std::uint64_t written = 0;
        auto send = [&]() -> task<> {
            const std::string part = pattern(0, 1U << 18);
            for (;;) {
                co_await l.client().write(part);
                ++written;
            }
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(send);
            g.spawn([&]() -> task<> { co_await bight::copy(l.a(), l.b()); });
            for (std::uint64_t before = 1; before != written;) {
                before = written;
                co_await bight::sleep_for(50ms);
            }
            g.cancel();  // and this is the end of it
        });
        CHECK(written > 0);
    });
}

TEST_CASE("a target that appends cannot be spliced into, and is copied to") {
    const auto kind = GENERATE(from_range(test::real_reactors()));
    const auto family = GENERATE(test::family::tcp, test::family::unix_path);
    CAPTURE(kind, family);
    if (family == test::family::unix_path) test::need_unix_sockets();
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(family);
        const int to = l.b().native_handle();
        REQUIRE(::fcntl(to, F_SETFL, ::fcntl(to, F_GETFL) | O_APPEND) == 0);
        auto proxy = [&]() -> task<> { (void)co_await bight::relay(l.a(), l.b()); };
        auto serve = [&]() -> task<> {
            co_await expect(l.server(), 7, 2 * much);
            co_await send_and_end(l.server(), 9, 2 * much);
        };
        auto ask = [&]() -> task<> {
            co_await send_and_end(l.client(), 7, 2 * much);
            co_await expect(l.client(), 9, 2 * much);
        };
        co_await bight::when_all(proxy(), serve(), ask());
    });
}
#endif

TEST_CASE("what was passed on before a reset arrives, however slowly its peer reads") {
    const auto kind = GENERATE(from_range(test::real_reactors()));
    const bool uploads = GENERATE(false, true);
    CAPTURE(kind, uploads);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(test::family::tcp);
        bight::socket_options small;
        small.receive_buffer = 64 << 10;
        l.client().set_options(small);
        constexpr std::size_t size = 1U << 20;
        bight::relayed passed;
        bool over = false;
        auto proxy = [&]() -> task<> {
            const std::error_code error = co_await test::error_of(bight::relay(l.a(), l.b(), passed));
            CHECK((error == test::from_errno(ECONNRESET) || error == test::from_errno(EPIPE)));
            over = true;
            l.a().abort();
        };
        auto serve = [&]() -> task<> {
            co_await l.server().write(pattern(3, size));
            while (passed.from_b < size) co_await bight::sleep_for(1ms);
            l.server().abort();
        };
        auto ask = [&]() -> task<> {
            if (uploads)
                (void)co_await bight::try_with_timeout(l.client().write(pattern(0, 4 * much)), 100ms);
            co_await bight::sleep_for(uploads ? 0ms : 100ms);
            CHECK_FALSE(over);
            std::string got;
            std::error_code end;
            while (!end) {
                auto data = co_await bight::as_result(l.client().read_some());
                if (data && data->empty()) break;
                if (data) got += data->to_string();
                end = data.error();
                co_await bight::yield();
            }
            const bool same = got == pattern(3, size);
            CHECK(same);
            CHECK(end == test::from_errno(ECONNRESET));
        };
        co_await bight::when_all(proxy(), serve(), ask());
    });
}

TEST_CASE("a relay waits for a peer that does not read what came before a reset as long as a close would") {
    const auto kind = GENERATE(from_range(test::real_reactors()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(test::family::tcp);
        l.a().set_close_deadline(20ms);
        bight::socket_options small;
        small.receive_buffer = 64 << 10;
        l.client().set_options(small);
        constexpr std::size_t size = 1U << 20;
        bight::relayed passed;
        auto serve = [&]() -> task<> {
            co_await l.server().write(pattern(3, size));
            while (passed.from_b < size) co_await bight::sleep_for(1ms);
            l.server().abort();
        };
        const auto [error, n] =
            co_await bight::when_all(test::error_of(bight::relay(l.a(), l.b(), passed)), serve());
        (void)n;
        CHECK(error);
    });
}

TEST_CASE("a peer that takes no more and says nothing is not waited for for ever") {
    test::need_unix_sockets();  // over TCP a peer that reads no more does not tell
    for (const auto demultiplexer : test::demultiplexers()) {
        CAPTURE(demultiplexer);
        bight::virtual_clock clock;
        bight::reactor_options options = test::options_on(demultiplexer);
        options.clock = &clock;
        bight::reactor r(options);
        auto silent = []() -> task<> {
            line l = co_await connected_line(test::family::unix_path);
            REQUIRE(::shutdown(l.server().native_handle(), SHUT_RD) == 0);
            std::error_code ended;
            auto proxy = [&]() -> task<> { ended = co_await test::error_of(bight::relay(l.a(), l.b())); };
            auto ask = [&]() -> task<> { co_await l.client().write("a question"); };
            const bight::time_point began = bight::now();
            co_await bight::when_all(proxy(), ask());
            CHECK(ended == std::errc::broken_pipe);
            const bight::duration waited = bight::now() - began;
            CHECK(waited >= 5s);
            CHECK(waited < 8s);
        };
        r.run(silent());
    }
}

TEST_CASE(
    "a copy whose source fails does not let its part look whole; one that had nothing leaves the target") {
    const auto kind = GENERATE(from_range(test::real_reactors()));
    const bool some = GENERATE(true, false);
    CAPTURE(kind, some);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(test::family::tcp);
        if (some) co_await l.client().write("a part");
        std::uint64_t copied = 0;
        auto reset = [&]() -> task<> {
            while (some && copied == 0) co_await bight::sleep_for(1ms);
            l.client().abort();
        };
        const auto [error, n] =
            co_await bight::when_all(test::error_of(bight::copy(l.a(), l.b(), copied)), reset());
        (void)n;
        CHECK(error == test::from_errno(ECONNRESET));
        const auto end = [&]() -> task<> { (void)co_await bight::as_result(l.b().shutdown_write()); };
        std::error_code heard;
        auto hear = [&]() -> task<> {
            for (;;) {
                auto data = co_await bight::as_result(l.server().read_some());
                heard = data.error();
                if (!data || data->empty()) co_return;
            }
        };
        co_await bight::when_all(end(), hear());
        CHECK((some ? heard == test::from_errno(ECONNRESET) : !heard));
    });
}

TEST_CASE("a stream that is moved away while it is copied is an error of the copy, and ends no process") {
    test::on_each_line([](line& l) -> task<> {
        auto moves = [&]() -> task<> {
            co_await bight::sleep_for(1ms);
            const stream elsewhere = std::move(l.b());
            co_await l.client().write("who hears this?");
            co_await bight::sleep_for(10ms);
        };
        const auto [error, n] = co_await bight::when_all(test::error_of(bight::copy(l.a(), l.b())), moves());
        (void)n;
        CHECK(error == test::from_errno(EBADF));
    });
}

TEST_CASE(
    "a stream that gets another connection while it is copied is an error of the copy, which leaves that "
    "alone") {
    const bool target = GENERATE(true, false);
    test::on_each_line([target](line& l) -> task<> {
        stream_pair other = co_await connected_pair(test::family::memory);
        auto replaces = [&]() -> task<> {
            co_await bight::sleep_for(1ms);
            stream& given = target ? l.b() : l.a();
            const stream elsewhere = std::exchange(given, std::move(other.client));
            co_await l.client().write("who hears this?");
            co_await bight::sleep_for(10ms);
        };
        const auto [error, n] =
            co_await bight::when_all(test::error_of(bight::copy(l.a(), l.b())), replaces());
        (void)n;
        CHECK(error == test::from_errno(EBADF));
        stream& given = target ? l.b() : l.a();
        co_await given.close();
        const std::string heard = co_await test::read_all(other.server);
        CHECK(heard.empty());
    });
}

TEST_CASE("a copy whose source is aborted in the turn in which its bytes come throws the reason") {
    const auto kind = GENERATE(from_range(test::real_reactors()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(test::family::tcp);
        stream_pair other = co_await connected_pair(test::family::tcp);
        std::uint64_t copied = 0;
        std::error_code error;
        auto copies = [&]() -> task<> { error = co_await test::error_of(bight::copy(l.a(), l.b(), copied)); };
        auto aborts = [&]() -> task<> {
            auto signal = co_await other.server.read_some();
            l.a().abort();
        };
        auto talks = [&]() -> task<> {
            std::string got(4 * much, '\0');
            auto hear = [&]() -> task<> { co_await l.server().read_exactly(got); };
            auto ask = [&]() -> task<> { co_await l.client().write(pattern(0, 4 * much)); };
            co_await bight::when_all(hear(), ask());
            co_await bight::sleep_for(5ms);  // until the copy waits
            co_await bight::when_all(other.client.write("x"), l.client().write("x"));
        };
        co_await bight::when_all(copies(), aborts(), talks());
        CHECK(error);
    });
}
