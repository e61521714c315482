// Waiting for the end of the peer, without reading.
#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
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
#include <vector>

using namespace std::chrono_literals;
using bight::errc;
using bight::peer_ending;
using bight::stream;
using bight::task;
using bight::until_peer_gone;
using test::connected_pair;
using test::error_of;
using test::read_all;
namespace sim = bight::sim;

namespace {

template <class F>
void on_each_pair_of(std::initializer_list<test::family> wanted, F body) {
    const auto families = test::those_here(wanted);
    for (const auto& kind : test::reactors()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        for (const test::family f : families) {
            CAPTURE(static_cast<int>(f));
            on.run([&] { return body(f); });
        }
    }
}

constexpr auto all = {test::family::tcp, test::family::unix_path, test::family::memory};

// A transport that cannot tell.
class plain_transport final : public bight::transport {
  public:
    explicit plain_transport(bight::reactor& home) : transport(home) {}
    bool read(bight::read_request&) noexcept override { return true; }
    bool write(bight::write_request&) noexcept override { return true; }
    void cancel_read() noexcept override {}
    void cancel_write() noexcept override {}
    bool shutdown_write(bight::end_request&) noexcept override { return true; }
    bool close(bight::end_request&) noexcept override {
        set_closed(errc::closed);
        return true;
    }
    void abort(std::error_code why) noexcept override { set_closed(why); }

  private:
    void unused() noexcept override { delete this; }
};

// Whether the bytes are read while the end is waited for.
task<> end_behind_pieces(test::family f, bool reads) {
    auto pair = co_await connected_pair(f);
    std::optional<peer_ending> how;
    std::string got;
    co_await bight::with_group([&](bight::group& g) -> task<> {
        g.spawn([&]() -> task<> { how = co_await until_peer_gone(pair.server); });
        if (reads) g.spawn([&]() -> task<> { got = co_await read_all(pair.server); });
        for (int i = 0; i < 5; ++i) {
            co_await pair.client.write("piece ");
            co_await pair.server.write("back ");
            co_await test::turns(5);
            CHECK_FALSE(how);
        }
        co_await pair.client.shutdown_write();
    });
    CHECK(how == peer_ending::ended);
    if (!reads) got = co_await read_all(pair.server);
    CHECK(got == "piece piece piece piece piece ");
}

task<> cancel_at_any_moment(test::family f, std::string unread) {
    auto pair = co_await connected_pair(f);
    co_await pair.client.write(unread);
    for (int turn = 0; turn < 8; ++turn) {
        co_await bight::when_any(until_peer_gone(pair.server), test::turns(turn));
    }
    auto none = co_await bight::try_with_timeout(until_peer_gone(pair.server), 1ms);
    CHECK_FALSE(none);
    // The end comes while the wait is being cancelled, or before, or after.
    for (int turn = 0; turn < 4; ++turn) {
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(one.run([](stream& of) -> task<> { (void)co_await until_peer_gone(of); }(pair.server)));
            co_await test::turns(2);
            if (turn == 2) co_await pair.client.shutdown_write();
            co_await test::turns(turn % 3);
            one.cancel();
        });
    }
    const auto how = co_await until_peer_gone(pair.server);
    CHECK(how == peer_ending::ended);
    const std::string got = co_await read_all(pair.server);
    CHECK(got == unread);
}

}  // namespace

TEST_CASE("the end of the peer is told before what it sent is read, which stays") {
    on_each_pair_of(all, [](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        co_await pair.client.write("unread");
        co_await pair.client.shutdown_write();
        for (int times = 0; times < 2; ++times) {
            const auto how = co_await until_peer_gone(pair.server);
            CHECK(how == peer_ending::ended);
        }
        const std::string got = co_await read_all(pair.server);
        CHECK(got == "unread");
        const auto how = co_await until_peer_gone(pair.server);
        CHECK(how == peer_ending::ended);
        co_await pair.server.write("the other direction is open");
        pair.server = {};
        const std::string answer = co_await read_all(pair.client);
        CHECK(answer == "the other direction is open");
    });
}

TEST_CASE("bytes that come do not end the wait, however many tasks read and write meanwhile; the end does") {
    on_each_pair_of(all, [](test::family f) { return end_behind_pieces(f, true); });
}

TEST_CASE("bytes that nobody reads do not end the wait; the end behind them does") {
    on_each_pair_of(all, [](test::family f) { return end_behind_pieces(f, false); });
}

TEST_CASE("a reset is told apart from an end, before and while it is waited for, and left to the next read") {
    on_each_pair_of({test::family::tcp, test::family::memory}, [](test::family f) -> task<> {
        for (const bool waits : {false, true}) {
            CAPTURE(waits);
            auto pair = co_await connected_pair(f);
            peer_ending how = peer_ending::ended;
            co_await bight::with_group([&](bight::group& g) -> task<> {
                if (waits) {
                    g.spawn([&]() -> task<> { how = co_await until_peer_gone(pair.server); });
                    co_await test::turns(3);
                }
                pair.client.abort();
                co_return;
            });
            if (!waits) how = co_await until_peer_gone(pair.server);
            CHECK(how == peer_ending::failed);
            const auto error = co_await error_of(pair.server.read_some());
            CHECK(error == test::from_errno(ECONNRESET));
            how = co_await until_peer_gone(pair.server);
            CHECK(how == peer_ending::failed);
        }
    });
}

TEST_CASE("a peer that closes both directions has ended, also after this side has") {
    on_each_pair_of(all, [](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        co_await pair.server.shutdown_write();
        const std::string nothing = co_await read_all(pair.client);
        CHECK(nothing.empty());
        pair.client = {};
        const auto how = co_await until_peer_gone(pair.server);
        CHECK(how == peer_ending::ended);
    });
}

TEST_CASE("a wait that is cancelled changes nothing, and may begin again, at any moment") {
    on_each_pair_of(all, [](test::family f) { return cancel_at_any_moment(f, ""); });
}

TEST_CASE("a wait that is cancelled before what came is read changes nothing, and may begin again") {
    on_each_pair_of(all, [](test::family f) { return cancel_at_any_moment(f, "unread"); });
}

TEST_CASE("a second wait gets errc::busy; a close and an abort of this side end the first") {
    on_each_pair_of(all, [](test::family f) -> task<> {
        for (const bool closes : {true, false}) {
            CAPTURE(closes);
            auto pair = co_await connected_pair(f);
            std::error_code ended;
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> { ended = co_await error_of(until_peer_gone(pair.server)); });
                co_await bight::yield();
                const auto second = co_await error_of(until_peer_gone(pair.server));
                CHECK(second == errc::busy);
                if (closes) {
                    co_await pair.server.close();
                } else {
                    pair.server.abort();
                }
            });
            CHECK(ended == (closes ? errc::closed : errc::aborted));
            const auto later = co_await error_of(until_peer_gone(pair.server));
            CHECK(later == (closes ? errc::closed : errc::aborted));
        }
    });
}

TEST_CASE("a long computation ends when its client goes") {
    on_each_pair_of(all, [](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        bool computed = false;
        auto computation = [&]() -> task<> {
            for (;;) {
                co_await bight::sleep_for(1ms);  // a yield takes no time in a simulated world
                if (!computed) pair.client = {};
                computed = true;
            }
        };
        auto first = co_await bight::when_any(until_peer_gone(pair.server), computation());
        CHECK(first.index == 0);
        CHECK(computed);
    });
}

TEST_CASE("an empty stream has no peer, and a transport that cannot tell says so") {
    on_each_pair_of({test::family::memory}, [](test::family) -> task<> {
        stream none;
        const auto empty = co_await error_of(until_peer_gone(none));
        CHECK(empty == test::from_errno(EBADF));
        stream plain(*new plain_transport(*bight::reactor::current()));
        const auto cannot = co_await error_of(until_peer_gone(plain));
        CHECK(cannot == std::errc::not_supported);
    });
}

TEST_CASE("in memory with latency the end is told when it arrives, and not when it is sent") {
    for (const auto kind : test::demultiplexers()) {
        CAPTURE(kind);
        test::virtual_fixture on(kind);
        on.run([&]() -> task<> {
            sim::memory_direction slow;
            slow.latency = 3s;
            auto [from, to] = sim::memory_pair(sim::memory_options(slow));
            co_await from.write("unread");
            co_await from.shutdown_write();
            const auto how = co_await until_peer_gone(to);
            CHECK(how == peer_ending::ended);
            CHECK(on.elapsed() == 3s);
        });
    }
}

TEST_CASE(
    "in simulated worlds with faults the peer's end is told once it has come, and never before it was sent") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        sim::world_options options;
        for (const auto f :
             {sim::fault::slow_completion, sim::fault::false_readiness, sim::fault::small_segment}) {
            options.faults.set(f, 0.3);
        }
        sim::world w(seed, options);
        const bool resets = seed % 2 == 0;
        bool sent = false;
        std::optional<peer_ending> how;
        w.add("server").on_boot([&] {
            return bight::serve("tcp:7000", [&](stream peer) -> task<> {
                const auto seen = co_await until_peer_gone(peer);
                CHECK(sent);
                how = seen;
            });
        });
        w.add("client").run([&]() -> task<> {
            co_await bight::sleep_for(1s);  // in virtual time: the server listens by then
            stream peer = co_await bight::connect("tcp:server:7000");
            co_await peer.write("unread");
            co_await bight::sleep_for(1s);
            sent = true;
            if (resets) {
                peer.abort();
            } else {
                co_await peer.close();
            }
            co_await bight::sleep_for(10s);
        });
        w.run();
        CHECK(how == (resets ? peer_ending::failed : peer_ending::ended));
    }
}
