// copy and relay: what one stream gives goes into another.
#include <bight/net/relay.hpp>

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/few_descriptors.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <system_error>
#include <utility>

using bight::stream;
using bight::task;
using test::connected_pair;
using test::pattern;
using test::stream_pair;

namespace {

constexpr std::size_t much = 6U << 20;  // more than the buffers between

/// A client and a server, and the proxy's two ends between them.
struct line {
    stream_pair front;  // client: the client's end; server: the proxy's
    stream_pair back;   // client: the proxy's end; server: the server's
    stream& client() { return front.client; }
    stream& server() { return back.server; }
    stream& a() { return front.server; }
    stream& b() { return back.client; }
};

task<line> connected_line(test::family f) {
    stream_pair front = co_await connected_pair(f);
    stream_pair back = co_await connected_pair(f);
    co_return line{std::move(front), std::move(back)};
}

template <class F>
void on_each(F body) {
    const auto kind = GENERATE_COPY(from_range(test::reactors()));
    const auto family = GENERATE(from_range(test::stream_families()));
    CAPTURE(kind, family);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(family);
        co_await body(l);
    });
}

task<> send_and_end(stream& to, std::size_t from, std::size_t size) {
    co_await to.write(pattern(from, size));
    co_await to.shutdown_write();
}

task<> expect(stream& from, std::size_t at, std::size_t size) {
    const std::string got = co_await test::read_all(from);
    const bool same = got == pattern(at, size);
    CHECK(same);
}

}  // namespace

TEST_CASE("copy passes on everything until the end, and leaves the other stream open") {
    on_each([](line& l) -> task<> {
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
    on_each([](line& l) -> task<> {
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
    on_each([](line& l) -> task<> {
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
    on_each([](line& l) -> task<> {
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
    on_each([](line& l) -> task<> {
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
        const std::string large = pattern(0, 64U << 20);
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

TEST_CASE("a reset in bulk ends the relay with the error, whichever end it comes from") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool client_resets = GENERATE(true, false);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        line l = co_await connected_line(test::family::tcp);
        const std::string large = pattern(0, 64U << 20);
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
