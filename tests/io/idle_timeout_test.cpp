// Idle time-outs: what counts as activity, what does not, and when a silent connection is ended.
#include <bight/io/idle_timeout.hpp>

#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/sim/memory_stream.hpp>

#include <cerrno>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::stream;
using bight::task;
using test::error_of;
using test::from_errno;
using test::pattern;
namespace sim = bight::sim;

namespace {

constexpr bight::duration limit = 10min;

// A case runs in virtual time on each demultiplexer, and in the simulation: over TCP and in memory.
template <class F>
void on_each_pair(F body) {
    const auto on = GENERATE(from_range(test::reactors()));
    const auto family = GENERATE(test::family::tcp, test::family::memory);
    CAPTURE(on, family);
    auto with_pair = [&]() -> task<> {
        auto pair = co_await test::connected_pair(family);
        co_await body(pair.server, pair.client);
    };
    if (on.seed) {
        test::reactor_fixture(on).run(with_pair);
    } else {
        test::virtual_fixture(on.kind).run(with_pair);
    }
}

task<> for_ever() { co_await bight::sleep_for(100000h); }

task<> read_all_of(stream& from) {
    while (auto bytes = co_await from.read_some()) continue;
    co_await for_ever();
}

// Writes a byte `times` times, `pause` before each.
task<> talk(stream& to, bight::duration pause, int times) {
    for (int i = 0; i < times; ++i) {
        co_await bight::sleep_for(pause);
        co_await to.write("x");
    }
}

// How long it takes until the idle time-out around `what` ends it. `beside` runs beside it.
template <class... Streams>
task<bight::duration> time_until_idle(task<> what, task<> beside, Streams&... watched) {
    const auto begun = bight::now();
    auto limited = [&]() -> task<bight::duration> {
        const bool ended = co_await bight::try_with_idle_timeout(std::move(what), limit, watched...);
        CHECK_FALSE(ended);
        co_return bight::now() - begun;
    };
    bight::duration taken{};
    co_await bight::with_group([&](bight::group& g) -> task<> {
        g.spawn(std::move(beside));
        taken = co_await limited();
        g.cancel();
    });
    co_return taken;
}

}  // namespace

TEST_CASE("bytes that are read put off the idle time-out, and it comes its limit after the last") {
    on_each_pair([](stream& server, stream& client) -> task<> {
        const auto taken = co_await time_until_idle(read_all_of(server), talk(client, 9min, 6), server);
        // The network of a simulated world takes a moment.
        CHECK(taken >= 54min + limit);
        CHECK(taken < 54min + limit + 1min);
    });
}

TEST_CASE("bytes that are written put it off, those of an outbox too") {
    on_each_pair([](stream& server, stream& client) -> task<> {
        auto taken = co_await time_until_idle(
            [](stream& s) -> task<> {
                co_await talk(s, 9min, 6);
                co_await for_ever();
            }(server),
            read_all_of(client), server);
        // Some simulated demultiplexers take a moment for it.
        CHECK(taken >= 54min + limit);
        CHECK(taken < 54min + limit + 1s);

        auto sends = [](stream& s) -> task<> {
            bight::outbox out(s);
            for (int i = 0; i < 6; ++i) {
                co_await bight::sleep_for(9min);
                out.send("by the outbox");
            }
            co_await for_ever();
        };
        taken = co_await time_until_idle(sends(server), read_all_of(client), server);
        CHECK(taken == 54min + limit);
    });
}

TEST_CASE("a silent connection is ended with an error that says for how long it was silent") {
    on_each_pair([](stream& server, stream&) -> task<> {
        std::string said;
        try {
            co_await bight::with_idle_timeout(server.read_some(), 90s, server);
        } catch (const std::system_error& e) {
            said = e.what();
            CHECK(e.code() == bight::errc::timed_out);
        }
        CHECK_THAT(said, Catch::Contains("nothing was read or written for 90 s"));
        CHECK(bight::reactor::current()->statistics().live_timers == 0);
    });
}

TEST_CASE(
    "reads that are given up before a byte has come count for nothing, nor do bytes that are put back") {
    on_each_pair([](stream& server, stream& client) -> task<> {
        auto polls = [](stream& s) -> task<> {
            for (;;) co_await bight::try_with_timeout(s.read_some(), 1min);
        };
        auto taken = co_await time_until_idle(polls(server), talk(client, 5min, 1), server);
        CHECK(taken >= 5min + limit);
        CHECK(taken < 5min + limit + 1min);

        auto reads_again = [](stream& s) -> task<> {
            bight::chunk bytes = co_await s.read_some();
            for (;;) {
                s.unread(std::move(bytes));
                co_await bight::sleep_for(1min);
                bytes = co_await s.read_some();
            }
        };
        taken = co_await time_until_idle(reads_again(server), talk(client, 5min, 1), server);
        CHECK(taken >= 5min + limit);
        CHECK(taken < 5min + limit + 1min);
        const bight::chunk put_back = co_await server.read_some();
        CHECK(put_back.size() == 1);
    });
}

TEST_CASE("a write that the peer does not take ends as idle, also when it is tried again and again") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::virtual_fixture on(kind);
    on.run([]() -> task<> {
        auto [server, client] = sim::memory_pair();
        const std::string much = pattern(0, 1 << 20);
        auto writes = [](stream& s, const std::string& what) -> task<> {
            co_await bight::sleep_for(1min);
            co_await s.write(what);  // a part goes at once, as far as there is room for it
        };
        auto taken = co_await time_until_idle(writes(server, much), for_ever(), server);
        CHECK(taken == 1min + limit);
        auto tries = [](stream& s, const std::string& what) -> task<> {
            for (;;) co_await bight::try_with_timeout(s.write(what), 1min);
        };
        taken = co_await time_until_idle(tries(server, much), for_ever(), server);
        CHECK(taken == limit);
        server.abort();
    });
}

TEST_CASE("a long write whose peer reads now and then goes on, and is ended when it stops") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::virtual_fixture on(kind);
    on.run([]() -> task<> {
        sim::memory_direction d;
        d.capacity = 100;
        auto [server, client] = sim::memory_pair(d);
        const std::string much = pattern(0, 10'000);
        auto reads_now_and_then = [](stream& from) -> task<> {
            for (int i = 0; i < 20; ++i) {
                co_await bight::sleep_for(9min);
                co_await from.read_some();
            }
            co_await for_ever();
        };
        auto writes = [](stream& to, const std::string& what) -> task<> { co_await to.write(what); };
        const auto taken = co_await time_until_idle(writes(server, much), reads_now_and_then(client), server);
        CHECK(taken >= 180min + limit);
        CHECK(taken <= 180min + 2 * limit);
        server.abort();
    });
}

TEST_CASE("what a relay passes on in bulk, in the kernel where it can, is seen by an idle time-out") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::virtual_fixture on(kind);
    on.run([]() -> task<> {
        auto left = co_await test::connected_pair(test::family::tcp);
        auto right = co_await test::connected_pair(test::family::tcp);
        const std::string much = pattern(0, 4 << 20);
        auto sends = [&]() -> task<> {
            for (int i = 0; i < 4; ++i) {
                co_await bight::sleep_for(9min);
                co_await left.client.write(much);
            }
            co_await for_ever();
        };
        auto passes_on = [&]() -> task<> {
            co_await bight::when_all(bight::relay(left.server, right.server), read_all_of(right.client),
                                     sends());
        };
        const auto begun = bight::now();
        const bool done =
            co_await bight::try_with_idle_timeout(passes_on(), limit, left.server, right.server);
        CHECK_FALSE(done);
        CHECK(bight::now() - begun == 36min + limit);
    });
}

TEST_CASE("of several streams, any one that is busy is enough, and two time-outs see the same bytes") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::virtual_fixture on(kind);
    on.run([]() -> task<> {
        auto [a, b] = sim::memory_pair();
        auto [c, d] = sim::memory_pair();
        auto pump = [](stream& from, stream& to) -> task<> {
            while (auto bytes = co_await from.read_some()) co_await to.write(bytes);
        };
        auto both = [&]() -> task<> { co_await bight::when_all(pump(b, c), pump(c, b)); };
        const auto taken = co_await time_until_idle(both(), talk(a, 9min, 5), b, c);
        CHECK(taken == 45min + limit);

        const auto begun = bight::now();
        auto inner = [&]() -> task<> {
            const bool done = co_await bight::try_with_idle_timeout(read_all_of(b), 2 * limit, b);
            CHECK_FALSE(done);
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(talk(a, 9min, 3));
            g.spawn(inner);
            const bool done = co_await bight::try_with_idle_timeout(for_ever(), limit, b, c);
            CHECK_FALSE(done);
            CHECK(bight::now() - begun == 27min + limit);
        });
        CHECK(bight::now() - begun == 27min + 2 * limit);
    });
}

TEST_CASE("values, errors, ends of streams and cancellations pass through an idle time-out") {
    on_each_pair([](stream& server, stream& client) -> task<> {
        co_await client.write("hello");
        const auto got = co_await bight::with_idle_timeout(server.read_some(), limit, server);
        CHECK(got.view().substr(0, 1) == "h");
        auto fails = []() -> task<> {
            co_await bight::sleep_for(1s);
            throw std::runtime_error("as it is");
        };
        std::string said;
        try {
            co_await bight::with_idle_timeout(fails(), limit, server);
        } catch (const std::runtime_error& e) {
            said = e.what();
        }
        CHECK(said == "as it is");
        test::cancellable one;
        auto waits = [&]() -> task<> {
            co_await bight::with_idle_timeout(for_ever(), limit, server, client);
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(one.run(waits()));
            co_await bight::sleep_for(1s);
            one.cancel();
        });
        CHECK_FALSE(one.ended());
        CHECK(bight::reactor::current()->statistics().live_timers == 0);

        // The stream is moved, and ends, before the task does.
        auto moves = [](stream& s) -> task<int> {
            stream mine = std::move(s);
            co_await mine.close();
            co_return 3;
        };
        client.abort();
        const int three = co_await bight::with_idle_timeout(moves(server), limit, server);
        CHECK(three == 3);
    });
}

TEST_CASE("an empty stream, and one of another reactor, are refused") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::reactor_fixture on(kind);
    bight::reactor other;
    auto [there, its_peer] = sim::memory_pair(other);
    on.run([&, &of_other = there]() -> task<> {
        stream none;
        std::error_code empty;
        try {
            co_await bight::with_idle_timeout(for_ever(), limit, none);
        } catch (const std::system_error& e) {
            empty = e.code();
        }
        CHECK(empty == from_errno(EBADF));
        const auto wrong = co_await error_of(bight::with_idle_timeout(for_ever(), limit, of_other));
        CHECK(wrong == bight::errc::wrong_thread);
        CHECK(on.reactor().statistics().live_timers == 0);
    });
}

TEST_CASE("an idle time-out may begin while what a buffered_writer holds has not been written") {
    on_each_pair([](stream& ours, stream& theirs) -> task<> {
        // Of what is allocated next nothing is zero by chance.
        std::vector<std::string> used;
        for (std::size_t size = 64; size < 2048; size += 16)
            used.insert(used.end(), 4, std::string(size, 0x7f));
        used.clear();
        bight::buffered_writer head(ours);
        co_await head.write("header");
        co_await bight::with_idle_timeout(bight::sleep_for(5ms), limit, ours);
        const auto got = co_await theirs.read_some();
        CHECK(got.view() == "header");
    });
}
