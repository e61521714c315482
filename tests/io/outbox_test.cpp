// A bounded queue of shared payloads in front of a stream.
#include "core/system_error.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/each_reactor.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/sim/memory_stream.hpp>

#include "on_memory.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using bight::errc;
using bight::outbox;
using bight::outbox_options;
using bight::overflow_policy;
using bight::payload;
using bight::task;
using test::connected_pair;
using test::error_of;
using test::on_each_of;
using test::read_all;

namespace {

// Sends until an outbox that nobody reads from is full; how many were taken.
std::size_t fill(outbox& out, const payload& message) {
    std::size_t taken = 0;
    while (taken < 100'000 && out.send(message)) ++taken;
    return taken;
}

task<std::string> read_bytes(bight::stream& from, std::size_t size) {
    std::string all(size, '\0');
    co_await from.read_exactly(bight::mutable_buffer(all));
    co_return all;
}

}  // namespace

TEST_CASE("payloads are shared, not copied") {
    const payload one("hello");
    const payload two = one;
    CHECK(one.view() == "hello");
    CHECK(one.data() == two.data());
    CHECK(payload().size() == 0);
    CHECK(payload("").view().empty());
}

TEST_CASE("messages arrive whole and in order") {
    on_each_of(test::reactors(), []() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        outbox out(pair.server);
        std::string expected;
        auto send = [&]() -> task<> {
            for (int i = 0; i < 2000; ++i) {
                const std::string text = "message " + std::to_string(i) + "\n";
                expected += text;
                co_await out.push(text);
            }
            co_await out.flush();
            CHECK(out.queued() == 0);
            co_await pair.server.close();
        };
        auto result = co_await bight::when_all(send(), read_all(pair.client));
        CHECK(std::get<1>(result) == expected);
        CHECK(out.dropped() == 0);
    });
}

TEST_CASE("what is queued when an outbox goes is sent before the stream closes") {
    on_each_of(test::reactors(), []() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        const std::string big(8 << 20, 'x');
        auto send = [&]() -> task<> {
            {
                outbox out(pair.server);
                CHECK(out.send(big));  // larger than the capacity: an empty outbox takes one message always
                CHECK(out.send("") == true);
            }
            co_await pair.server.close();
        };
        auto result = co_await bight::when_all(send(), read_all(pair.client));
        CHECK(std::get<1>(result) == big);
    });
}

TEST_CASE("a peer that does not read is disconnected at the stated backlog, and its reader learns why") {
    on_each_of(test::reactors(), []() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        outbox_options options;
        options.capacity = 100'000;
        outbox out(pair.server, options);
        std::error_code reason;
        auto read = [&]() -> task<> { reason = co_await error_of(pair.server.read_some()); };
        auto flood = [&]() -> task<> {
            const payload message(std::string(1000, 'x'));
            std::size_t most = 0;
            while (out.send(message)) {
                most = std::max(most, out.queued());
                co_await bight::yield();
            }
            CHECK(most <= options.capacity);
            CHECK(out.dropped() > 0);
            CHECK_FALSE(pair.server.is_open());
        };
        co_await bight::when_all(read(), flood());
        CHECK(reason == errc::backlog_exceeded);
        CHECK_FALSE(out.send("more"));
    });
}

TEST_CASE(
    "with drop_newest what does not fit is dropped, with drop_oldest it takes the place of the oldest") {
    on_each_of(test::reactors(), []() -> task<> {
        for (const auto policy : {overflow_policy::drop_newest, overflow_policy::drop_oldest}) {
            auto pair = co_await connected_pair(test::local_family());
            outbox_options options;
            options.capacity = 50'000;
            options.when_full = policy;
            outbox out(pair.server, options);
            const std::string filler(1000, 'x');
            for (int i = 0; i < 5000; ++i) {
                out.send(filler);
                if (i % 10 == 0) co_await bight::yield();
            }
            const auto dropped = out.dropped();
            CHECK(dropped > 0);
            CHECK(out.queued() <= options.capacity);
            CHECK(pair.server.is_open());
            const bool taken = out.send(std::string(999, 'y') + "!");
            CHECK(taken == (policy == overflow_policy::drop_oldest));
            CHECK(out.dropped() == dropped + 1);
            auto drain = [&]() -> task<> {
                co_await out.flush();
                co_await pair.server.close();
            };
            auto result = co_await bight::when_all(drain(), read_all(pair.client));
            const std::string& all = std::get<1>(result);
            CHECK(all.size() % 1000 == 0);  // never a part of a message
            CHECK((all.find('y') != std::string::npos) == taken);
        }
    });
}

TEST_CASE("with wait, send refuses and push waits for room, first come, first served") {
    on_each_of(test::reactors(), []() -> task<> {
        auto pair = co_await connected_pair(test::local_family());
        outbox_options options;
        options.capacity = 10'000;
        options.when_full = overflow_policy::wait;
        outbox out(pair.server, options);
        std::size_t sent = 0;
        for (;;) {  // until the socket's buffer and the outbox are full, and stay so
            const std::size_t taken = fill(out, std::string(1000, 'x'));
            sent += taken * 1000;
            co_await bight::sleep_for(std::chrono::milliseconds(1));
            if (taken == 0) break;
        }
        std::vector<int> order;
        auto push = [&](int number) -> task<> {
            co_await out.push(std::to_string(number) + "\n");
            order.push_back(number);
        };
        auto cancelled = [&]() -> task<> {
            const bool pushed =
                co_await bight::try_with_timeout(out.push("never\n"), std::chrono::milliseconds(1));
            CHECK_FALSE(pushed);
        };
        auto drain = [&]() -> task<> {
            co_await bight::sleep_for(std::chrono::milliseconds(5));
            CHECK(order.empty());
            CHECK_FALSE(out.send("not before those who wait"));
            const std::string all = co_await read_bytes(pair.client, sent + 4);
            CHECK(all.substr(sent) == "1\n2\n");
        };
        co_await bight::when_all(push(1), cancelled(), push(2), drain());
        CHECK(order == std::vector<int>{1, 2});
    });
}

TEST_CASE("what would fit goes behind a push that waits for more room, sent or pushed") {
    on_each_of(test::reactors(), []() -> task<> {
        auto pair = co_await connected_pair(test::local_family());
        outbox_options options;
        options.capacity = 10'000;
        options.when_full = overflow_policy::wait;
        outbox out(pair.server, options);
        std::size_t sent = 0;
        for (;;) {  // three messages fit, and leave room for a small one
            const std::size_t taken = fill(out, std::string(3000, 'x'));
            sent += taken * 3000;
            co_await bight::sleep_for(std::chrono::milliseconds(1));
            if (taken == 0) break;
        }
        CHECK(out.queued() == 9000);
        auto push = [&](std::string message) -> task<> { co_await out.push(std::move(message)); };
        auto drain = [&]() -> task<> {
            co_await bight::yield();
            CHECK_FALSE(out.send("c"));
            CHECK(out.queued() == 9000);
            const std::string all = co_await read_bytes(pair.client, sent + 2001);
            CHECK(all.substr(sent) == std::string(2000, 'a') + "b");
        };
        co_await bight::when_all(push(std::string(2000, 'a')), push("b"), drain());
        CHECK(out.send("c"));
    });
}

TEST_CASE("an outbox waits for a write that is pending, and a write meanwhile is busy") {
    on_each_of(test::reactors(), []() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        const std::string big(8 << 20, 'a');
        outbox out(pair.server);
        auto write = [&]() -> task<> { co_await pair.server.write(big); };
        auto queue = [&]() -> task<> {
            CHECK(out.send("after"));
            CHECK(out.queued() == 5);
            const std::string late = "late";
            const std::error_code error = co_await error_of(pair.server.write(late));
            CHECK(error == errc::busy);
            co_await out.flush();
            co_await pair.server.close();
        };
        auto result = co_await bight::when_all(write(), queue(), read_all(pair.client));
        CHECK(std::get<2>(result) == big + "after");
    });
}

TEST_CASE("when the peer resets, what is queued is dropped and whoever waits is told") {
    on_each_of(test::real_reactors(), []() -> task<> {
        auto pair = co_await test::connected_to_raw(test::family::tcp);
        outbox out(pair.stream);
        const std::string big(8 << 20, 'a');
        CHECK(out.send(big));
        pair.raw.reset();
        const auto why = co_await error_of(out.flush());
        CHECK((why == std::errc::connection_reset || why == std::errc::broken_pipe));
        CHECK(out.queued() == 0);
        CHECK(out.dropped() == 1);
        CHECK_FALSE(out.send("more"));
    });
}

TEST_CASE("with drop_oldest, what is being written is not dropped for what comes later") {
    on_each_of(test::reactors(), []() -> task<> {
        auto pair = co_await connected_pair(test::local_family());
        outbox_options options;
        options.capacity = 1000;
        options.when_full = overflow_policy::drop_oldest;
        outbox out(pair.server, options);
        const std::string big(8 << 20, 'a');
        CHECK(out.send(big));  // an empty outbox takes one message always
        CHECK_FALSE(out.send("b"));
        CHECK(out.dropped() == 1);
        auto drain = [&]() -> task<> {
            co_await out.flush();
            co_await pair.server.close();
        };
        auto result = co_await bight::when_all(drain(), read_all(pair.client));
        CHECK((std::get<1>(result) == big));
    });
}

TEST_CASE("an outbox whose queue can go out at once lets others have their turns in between") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    on.run([]() -> task<> {
        bight::sim::memory_direction direction;
        direction.capacity = 65536;
        auto [here, there] = bight::sim::memory_pair(bight::sim::memory_options(direction));
        outbox out(here);
        CHECK(out.send(std::string(direction.capacity + 1, 'x')));
        for (int i = 0; i < 2000; ++i) CHECK(out.send("0123456789"));
        auto read = [&]() -> task<> { co_await read_bytes(there, direction.capacity); };
        auto look = [&]() -> task<> {
            std::size_t before = out.queued();
            while (out.queued() > 0) {
                co_await bight::yield();
                CHECK(before - out.queued() <= direction.capacity + 1 + 17 * 16 * 10);
                if (before > 65536 && out.queued() <= 20000) before = 20000;  // the large one has gone
                CHECK(before - out.queued() <= 17 * 16 * 10);
                before = out.queued();
            }
        };
        co_await bight::when_all(read(), look());
    });
}

TEST_CASE("a write that fails for want of memory ends its stream, whose reader would wait for ever") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    on.run([]() -> task<> {
        for (const int error : {ENOBUFS, EPIPE}) {
            CAPTURE(error);
            bight::sim::memory_direction forth;
            forth.failing_write = 0;
            forth.write_error = bight::detail::system_error_code(error);
            auto [here, there] =
                bight::sim::memory_pair(bight::sim::memory_options(forth, bight::sim::memory_direction()));
            outbox out(here);
            co_await there.write("still on its way");
            CHECK_FALSE(out.send("lost"));
            // Of a peer that has gone the reader hears by itself, after what had arrived.
            auto read = co_await bight::as_result(here.read_some());
            if (error == EPIPE) {
                REQUIRE(read.has_value());
                CHECK(read->view() == "still on its way");
            } else {
                REQUIRE_FALSE(read.has_value());
                CHECK(read.error() == forth.write_error);
            }
        }
    });
}

TEST_CASE("an outbox may outlive what it sends to: the stream goes first") {
    on_each_of(test::reactors(), []() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        std::optional<outbox> out(pair.server);
        const std::string big(8 << 20, 'a');
        CHECK(out->send(big));
        pair.server = bight::stream();
        out.reset();
        co_await bight::yield();
    });
}

TEST_CASE("pieces that fit are one operation, and so are messages that are queued behind another") {
    on_each_of(test::real_reactors(), []() -> task<> {
        auto pair = co_await test::connected_to_raw(test::family::tcp);
        const auto operations = [] { return bight::reactor::current()->statistics().operations; };
        std::uint64_t before = operations();
        co_await pair.stream.write("three ", "pieces, ", "one operation");
        CHECK(operations() - before == 1);

        const std::string large(8U << 20, 'x');
        outbox out(pair.stream, outbox_options{large.size() * 2, overflow_policy::wait});
        out.send(large);  // waits for its peer, which reads nothing yet
        before = operations();
        for (int i = 0; i < 16; ++i) CHECK(out.send("and"));
        std::size_t left = 27 + large.size() + std::size_t{16} * 3;
        std::vector<char> memory(65536);
        while (left > 0) {
            const auto got = ::recv(pair.raw.get(), memory.data(), memory.size(), MSG_DONTWAIT);
            if (got > 0) left -= static_cast<std::size_t>(got);
            co_await bight::yield();
        }
        CHECK(operations() - before == 1);
    });
}

TEST_CASE(
    "a message behind a write that was cancelled before its first byte leaves no gap: the end is an end") {
    bight::sim::memory_direction narrow;
    narrow.capacity = 4;
    test::on_memory(narrow, [](bight::stream& from, bight::stream& to) -> task<> {
        co_await from.write("full");
        outbox out(from);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto waits = g.spawn([&]() -> task<> { co_await from.write("never sent"); });
            co_await bight::yield();
            CHECK(out.send("END"));  // it stands behind the write
            waits.cancel();
        });
        auto close = [&]() -> task<> {
            co_await out.flush();
            co_await from.close();
        };
        std::string got;
        auto read = [&]() -> task<> { got = co_await test::read_all(to); };
        co_await bight::when_all(close(), read());
        CHECK(got == "fullEND");
    });
}
