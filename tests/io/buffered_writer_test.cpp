// Small writes that are gathered, and sent when the task awaits.
#include "on_memory.hpp"
#include "support/cancellable.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/death.hpp"
#include "support/each_reactor.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/sim/memory_stream.hpp>
#include <bight/sim/world.hpp>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

using bight::buffered_writer;
using bight::buffered_writer_options;
using bight::errc;
using bight::stream;
using bight::task;
using test::connected_pair;
using test::error_of;
using test::pattern;
using test::read_all;
namespace sim = bight::sim;

namespace {

// Which takes so many bytes unread; a read gives what one write has sent.
sim::memory_direction taking(std::size_t capacity) {
    sim::memory_direction forth;
    forth.capacity = capacity;
    return forth;
}

buffered_writer_options holding(std::size_t capacity) {
    buffered_writer_options options;
    options.capacity = capacity;
    return options;
}

}  // namespace

TEST_CASE("what a task writes between two waits is one write of the stream, sent when the task waits") {
    test::on_memory(taking(65536), [](stream& from, stream& to) -> task<> {
        buffered_writer out(from);
        std::string all;
        for (int i = 0; i < 1000; ++i) {
            co_await out.write("line ", std::to_string(i), "\r\n");
            all += "line " + std::to_string(i) + "\r\n";
        }
        CHECK(out.buffered() == all.size());
        const auto got = co_await to.read_some();
        CHECK(got.view() == all);
        CHECK(out.buffered() == 0);
        co_await out.write("second");
        co_await out.flush();
        const auto second = co_await to.read_some();
        CHECK(second.view() == "second");
    });
}

TEST_CASE("a thousand small writes are a handful of operations") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        const auto before = bight::reactor::current()->statistics().operations;
        {
            buffered_writer out(pair.client);
            for (int i = 0; i < 1000; ++i) co_await out.write("ten bytes.");
            co_await out.flush();
        }
        CHECK(bight::reactor::current()->statistics().operations - before <= 2);
        co_await pair.client.shutdown_write();
        const std::string got = co_await read_all(pair.server);
        CHECK(got.size() == 10'000);
    });
}

TEST_CASE("a full writer waits for room: back-pressure, first come, first served, whole writes") {
    test::on_memory(taking(10), [](stream& from, stream& to) -> task<> {
        buffered_writer out(from, holding(20));
        std::string order;
        std::string got;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                co_await out.write("0123456789", "0123456789");  // 10 in the transport, 10 left
                co_await bight::yield();
                co_await out.write("aaaaaaaaaaa");
                order += 'a';
            });
            g.spawn([&]() -> task<> {
                co_await test::turns(3);
                co_await out.write("b");  // it would fit
                order += 'b';
            });
            co_await test::turns(10);
            CHECK(order.empty());
            CHECK(out.buffered() <= 20);
            while (got.size() < 32) {
                const auto part = co_await to.read_some();
                got += part.view();
            }
        });
        CHECK(order == "ab");
        CHECK(got == "01234567890123456789aaaaaaaaaaab");
    });
}

TEST_CASE("a write of exactly the capacity fits, and one that is larger is taken by an empty writer") {
    test::on_memory(taking(4), [](stream& from, stream& to) -> task<> {
        buffered_writer out(from, holding(8));
        std::string got;
        auto writes = [&]() -> task<> {
            co_await out.write("12345678");
            CHECK(out.buffered() == 8);
            co_await out.flush();
            co_await out.write(pattern(0, 1000));
            CHECK(out.buffered() == 1000);
            co_await out.write("");
            co_await out.flush();
            co_await from.shutdown_write();
        };
        auto reads = [&]() -> task<> { got = co_await read_all(to); };
        co_await bight::when_all(writes(), reads());
        CHECK(got == "12345678" + pattern(0, 1000));
    });
}

TEST_CASE("a cancelled write has buffered nothing, and a cancelled flush loses nothing") {
    test::on_memory(taking(4), [](stream& from, stream& to) -> task<> {
        buffered_writer out(from, holding(8));
        co_await out.write("12345678");
        const auto written =
            co_await bight::try_with_timeout(out.write("cancelled"), std::chrono::milliseconds(1));
        CHECK_FALSE(written);
        const auto flushed = co_await bight::try_with_timeout(out.flush(), std::chrono::milliseconds(1));
        CHECK_FALSE(flushed);
        std::string got;
        auto writes = [&]() -> task<> {
            co_await out.write("9");
            co_await out.flush();
            co_await from.shutdown_write();
        };
        auto reads = [&]() -> task<> { got = co_await read_all(to); };
        co_await bight::when_all(writes(), reads());
        CHECK(got == "123456789");
    });
}

TEST_CASE("close, a shutdown, and the end of writer and stream come after what is buffered") {
    enum class way { close, shutdown, destroy };
    for (const way ends : {way::close, way::shutdown, way::destroy}) {
        CAPTURE(static_cast<int>(ends));
        test::on_each_reactor([&]() -> task<> {
            auto pair = co_await connected_pair(test::family::tcp);
            const std::string text = pattern(0, 300'000);
            auto writes = [&]() -> task<> {
                stream from = std::move(pair.client);
                buffered_writer out(from, holding(1 << 20));
                for (std::size_t at = 0; at < text.size(); at += 1000)
                    co_await out.write(text.substr(at, 1000));
                if (ends == way::close) co_await from.close();
                if (ends == way::shutdown) co_await from.shutdown_write();
                if (ends == way::destroy) co_return;
                const auto late = co_await error_of(out.write("late"));
                CHECK(late == errc::closed);
            };
            std::string got;
            auto reads = [&]() -> task<> { got = co_await read_all(pair.server); };
            co_await bight::when_all(writes(), reads());
            CHECK(got == text);
        });
    }
}

TEST_CASE("while something is buffered a write of the stream cannot overtake it; two writers take turns") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        buffered_writer first(pair.client);
        buffered_writer second(pair.client);
        co_await first.write("1");
        co_await second.write("2");
        const auto direct = co_await error_of(pair.client.write("3"));
        CHECK(direct == errc::busy);
        co_await second.flush();
        co_await pair.client.write("3");
        co_await pair.client.shutdown_write();
        const std::string got = co_await read_all(pair.server);
        CHECK(got == "123");
    });
}

TEST_CASE("the error of the stream is kept: each write, each flush and the close give it") {
    test::on_memory(taking(65536), [](stream& from, stream& to) -> task<> {
        buffered_writer out(from);
        to.abort();
        co_await out.write("nobody hears it");
        const auto flushed = co_await error_of(out.flush());
        CHECK(flushed == test::from_errno(ECONNRESET));
        for (int i = 0; i < 3; ++i) {
            const auto written = co_await error_of(out.write("nor this"));
            CHECK(written == test::from_errno(ECONNRESET));
            CHECK(out.buffered() == 0);
        }
        const auto again = co_await error_of(out.flush());
        CHECK(again == test::from_errno(ECONNRESET));
        const auto closed = co_await error_of(from.close());
        CHECK(closed == test::from_errno(ECONNRESET));
    });
}

TEST_CASE("an abort drops what is buffered, and wakes who waits for room") {
    test::on_memory(taking(4), [](stream& from, stream&) -> task<> {
        buffered_writer out(from, holding(8));
        co_await out.write("12345678");
        std::error_code woken;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { woken = co_await error_of(out.write("more")); });
            co_await test::turns(3);
            from.abort();
        });
        CHECK(woken == errc::aborted);
        CHECK(out.buffered() == 0);
    });
}

TEST_CASE(
    "a writer, and an outbox, may be destroyed while a task waits for room, and the stream then fails") {
    const bool gathers = GENERATE(true, false);
    test::on_each_reactor([gathers]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        std::optional<buffered_writer> writer;
        std::optional<bight::outbox> box;
        if (gathers) {
            writer.emplace(pair.client);
        } else {
            bight::outbox_options options;
            options.when_full = bight::overflow_policy::wait;
            box.emplace(pair.client, options);
        }
        const std::string much = pattern(0, 16U << 20);
        if (gathers) {
            co_await writer->write(much);
        } else {
            CHECK(box->send(much));
        }
        std::error_code error;
        auto wait = [&]() -> task<> {
            if (gathers) {
                error = co_await error_of(writer->write(much));
            } else {
                error = co_await error_of(box->push(much));
            }
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(wait);
            co_await bight::sleep_for(std::chrono::milliseconds(5));
            writer.reset();
            box.reset();
            co_await bight::sleep_for(std::chrono::milliseconds(5));
            pair.client.abort();
        });
        CHECK(error == errc::aborted);
    });
}

TEST_CASE("what is written arrives whole in simulated worlds with faults") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        CAPTURE(seed);
        sim::world_options options;
        for (const auto f :
             {sim::fault::short_read, sim::fault::short_write, sim::fault::small_segment,
              sim::fault::small_window, sim::fault::slow_completion, sim::fault::false_readiness}) {
            options.faults.set(f, 0.3);
        }
        sim::world w(seed, options);
        const std::string text = pattern(0, 40'000);
        std::string got;
        w.add("server").on_boot([&] {
            return bight::serve("tcp:7000", [&](stream peer) -> task<> { got = co_await read_all(peer); });
        });
        w.add("client").run([&]() -> task<> {
            co_await bight::sleep_for(
                std::chrono::seconds(1));  // in virtual time: the server listens by then
            stream peer = co_await bight::connect("tcp:server:7000");
            {
                buffered_writer out(peer, holding(1 + seed * 100));
                for (std::size_t at = 0; at < text.size(); at += seed)
                    co_await out.write(text.substr(at, seed));
            }
            co_await peer.shutdown_write();
            const auto end = co_await peer.read_some();
            CHECK(end.empty());
        });
        w.run();
        CHECK(got == text);
    }
}

TEST_CASE("an empty stream gets no writer, and an empty writer ends the program with a message") {
    stream none;
    CHECK_THROWS_AS(buffered_writer(none), std::system_error);
    CHECK_THAT(test::dying_words([] {
                   bight::reactor r;
                   r.run([]() -> task<> {
                       auto pair = co_await connected_pair(test::family::memory);
                       buffered_writer out(pair.client);
                       const buffered_writer moved = std::move(out);
                       (void)out.buffered();
                   }());
               }),
               Catch::Contains("a buffered_writer was used that is empty: it was moved from"));
}
