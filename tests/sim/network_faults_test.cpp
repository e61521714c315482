// What goes wrong on the way between two hosts, by what a program sees of it.
#include "faulty.hpp"

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using test::connect_outcome;
using test::connect_with;
using test::pair_of_hosts;
using test::read_all;
using test::with;
namespace sim = bight::sim;

namespace {

task<> hang_up(bight::stream&) { co_return; }

// How long each packet takes, there and back: a byte that is answered at once.
struct ways {
    std::vector<bight::duration> there;
    std::vector<bight::duration> back;
};

ways ways_with(const sim::world_options& options) {
    constexpr int rounds = 100;
    ways seen;
    sim::world w(1, options);
    bight::duration sent{};
    w.add("server").on_boot([&] {
        return bight::serve("tcp:7000", [&](bight::stream peer) -> task<> {
            while (auto data = co_await peer.read_some()) {
                seen.there.push_back(w.elapsed() - sent);
                sent = w.elapsed();
                co_await peer.write("x");
            }
        });
    });
    w.add("client").run([&]() -> task<> {
        bight::stream peer = co_await bight::connect("tcp:server:7000");
        for (int i = 0; i < rounds; ++i) {
            sent = w.elapsed();
            co_await peer.write("x");
            auto data = co_await peer.read_some();
            seen.back.push_back(w.elapsed() - sent);
        }
    });
    w.run();
    return seen;
}

}  // namespace

TEST_CASE("small_segment: what is sent at once arrives in pieces") {
    std::size_t pieces = 0;
    pair_of_hosts pair(
        with(sim::fault::small_segment),
        [&](bight::stream& peer) -> task<> {
            while (auto data = co_await peer.read_some()) ++pieces;
        },
        [](bight::stream& peer) -> task<> {
            co_await peer.write(std::string(1000, 'x'));
            co_await peer.close();
            co_await bight::sleep_for(1s);
        });
    pair.world.run();
    CHECK(pieces > 1);
}

TEST_CASE("reset: a connection ends with ECONNRESET at both ends") {
    std::error_code server;
    std::error_code client;
    pair_of_hosts pair(
        with(sim::fault::reset),
        [&](bight::stream& peer) -> task<> {
            auto data = co_await bight::as_result(read_all(peer));
            if (!data) server = data.error();
        },
        [&](bight::stream& peer) -> task<> {
            co_await peer.write("hello");
            auto data = co_await bight::as_result(peer.read_some());
            if (!data) client = data.error();
        });
    pair.world.run();
    CHECK(server == std::errc::connection_reset);
    CHECK(client == std::errc::connection_reset);
}

TEST_CASE("slow_completion: who reads and who writes are told the same error, whoever learns of it first") {
    int different = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        std::error_code reading;
        std::error_code writing;
        sim::world w(seed, with(sim::fault::slow_completion, 0.5));
        w.add("server").on_boot([] {
            return bight::serve("tcp:7000", [](bight::stream peer) -> task<> {
                co_await bight::sleep_for(20ms);
                peer.abort();
            });
        });
        w.add("client").run([&]() -> task<> {
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            const auto read = [&]() -> task<> {
                for (;;) {
                    auto data = co_await bight::as_result(peer.read_some());
                    if (!data) reading = data.error();
                    if (!data || data->empty()) co_return;
                }
            };
            const auto write = [&]() -> task<> {
                while (!writing) {
                    const auto done = co_await bight::as_result(peer.write("x"));
                    if (!done) writing = done.error();
                    co_await bight::sleep_for(1ms);
                }
            };
            co_await bight::when_all(read(), write());
        });
        w.run();
        if (reading != std::errc::connection_reset || writing != std::errc::connection_reset) ++different;
    }
    CHECK(different == 0);
}

TEST_CASE("silence: nobody hears anything any more, and who sends learns it after a quarter of an hour") {
    std::error_code client;
    pair_of_hosts pair(
        with(sim::fault::silence),
        [&](bight::stream& peer) -> task<> {
            auto data = co_await bight::try_with_timeout(peer.read_some(), 2h);
            CHECK_FALSE(data);
        },
        [&](bight::stream& peer) -> task<> {
            co_await peer.write("hello");
            auto data = co_await bight::as_result(peer.read_some());
            if (!data) client = data.error();
            co_await bight::sleep_for(2h);
        });
    pair.world.run();
    CHECK(client == std::errc::timed_out);
}

TEST_CASE("silence: when a write has been told of it, a read after that is told the same") {
    std::error_code writing;
    std::error_code reading;
    pair_of_hosts pair(
        with(sim::fault::silence), [&](bight::stream&) -> task<> { co_await bight::sleep_for(2h); },
        [&](bight::stream& peer) -> task<> {
            co_await peer.write("hello");
            co_await bight::sleep_for(1h);
            const auto written = co_await bight::as_result(peer.write("again"));
            writing = written.error();
            const auto data = co_await bight::as_result(peer.read_some());
            reading = data.error();
        });
    pair.world.run();
    CHECK(writing == std::errc::timed_out);
    CHECK(reading == std::errc::timed_out);
}

TEST_CASE("refused_connect, lost_connect: an attempt fails at once, or after a while") {
    const connect_outcome refused = connect_with(with(sim::fault::refused_connect));
    CHECK(refused.error == std::errc::connection_refused);
    CHECK(refused.after < 1s);
    const connect_outcome lost = connect_with(with(sim::fault::lost_connect));
    CHECK(lost.error == bight::errc::timed_out);
    CHECK(lost.after >= 30s);
    CHECK(lost.after < 31s);
}

TEST_CASE("slow_packet: a packet takes the tail of the latency instead of its usual range, either way") {
    const bool slow = GENERATE(false, true);
    sim::world_options options = with(sim::fault::slow_packet, slow ? 1 : 0);
    options.link = {1ms, 2ms, 100ms, 0};
    const ways seen = ways_with(options);
    test::check_spread(seen.there, slow ? 2ms : 1ms, slow ? 100ms : 2ms);
    test::check_spread(seen.back, slow ? 2ms : 1ms, slow ? 100ms : 2ms);
}

TEST_CASE("slow_packet: the packet is named in the trace") {
    pair_of_hosts pair(with(sim::fault::slow_packet), hang_up,
                       [](bight::stream& peer) -> task<> { auto end = co_await peer.read_some(); });
    pair.world.run();
    bool named = false;
    for (const sim::trace_event& e : pair.world.trace().events()) {
        named = named || (e.what == "fault" && e.link == 1);
    }
    CHECK(named);
}

TEST_CASE("cut: a packet waits for up to 5 s, and what comes the other way as long or not at all") {
    const bool cut = GENERATE(false, true);
    std::vector<bight::duration> there;
    std::vector<bight::duration> back;
    int one_way = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        sim::world_options options;
        options.link = test::always(1ms);
        sim::world w(seed, options);
        bight::duration sent{};
        bool gone = false;
        const auto arrival = [&](bight::stream& peer, std::vector<bight::duration>& into) -> task<> {
            auto data = co_await peer.read_some();
            into.push_back(w.elapsed() - sent);
        };
        w.add("server").on_boot([&] {
            return bight::serve("tcp:7000", [&](bight::stream peer) -> task<> {
                while (!gone) co_await bight::sleep_for(1us);
                co_await peer.write("x");  // while the other is on its way
                co_await arrival(peer, there);
            });
        });
        w.add("client").run([&]() -> task<> {
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            co_await bight::sleep_for(10ms);
            w.set_faults(with(sim::fault::cut, cut ? 1 : 0).faults);
            sent = w.elapsed();
            co_await peer.write("x");
            w.set_faults({});
            gone = true;
            co_await arrival(peer, back);
            co_await bight::sleep_for(10s);
        });
        w.run();
        REQUIRE(there.size() == seed);
        REQUIRE(back.size() == seed);
        if (back.back() < 2ms) {
            ++one_way;
        } else {
            CHECK(back.back() - there.back() < 2ms);
        }
    }
    if (cut) {
        test::check_spread(there, 1ms, 5s + 1ms);
        CHECK(one_way > 15);
        CHECK(one_way < 45);
    } else {
        CHECK(there == std::vector<bight::duration>(60, 1ms));
        CHECK(one_way == 60);
    }
}

TEST_CASE("what waits at a host that stands still is past the link: it stays before what waits at a cut") {
    sim::world_options options;
    options.link = test::always(1ms);
    std::string got;
    pair_of_hosts pair(
        options,
        [&](bight::stream& peer) -> task<> {
            while (auto data = co_await peer.read_some()) got += data.view();
        },
        [](bight::stream& peer) -> task<> {
            co_await bight::sleep_for(100ms);
            co_await peer.write("1");
            co_await bight::sleep_for(100ms);
            co_await peer.write("2");
            co_await bight::sleep_for(5s);
        });
    sim::world& w = pair.world;
    sim::host& server = w.at("server");
    w.run_for(50ms);
    server.pause(1s);
    w.run_for(100ms);
    w.cut(w.at("client"), server);
    w.run_for(2s);
    CHECK(got == "1");
    w.mend(w.at("client"), server);
    w.run_for(1s);
    CHECK(got == "12");
}

TEST_CASE("what had reached a host in its former life does not reach its new one past a cut") {
    const bool down = GENERATE(false, true);  // when it reached it
    CAPTURE(down);
    sim::world_options options;
    options.link = test::always(1ms);
    int accepted = 0;
    pair_of_hosts pair(
        options,
        [&](bight::stream& peer) -> task<> {
            ++accepted;
            co_await peer.read_some();
        },
        [](bight::stream&) -> task<> { co_return; });
    sim::world& w = pair.world;
    sim::host& server = w.at("server");
    if (down) {
        server.crash();
    } else {
        server.pause(1h);
    }
    w.run_for(100ms);  // the attempt to connect has come there
    server.crash();
    w.cut(w.at("client"), server);
    server.restart();
    w.run_for(5s);
    CHECK(accepted == 0);
    w.mend(w.at("client"), server);
    w.run();
    CHECK(accepted == 1);
}

TEST_CASE("cut: packets wait, none is lost, none overtakes another") {
    std::string text;
    for (int i = 0; i < 300; ++i) text += std::to_string(i) + " ";
    std::uint64_t cuts = 0;  // a healed world may have had none
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        sim::world_options options = with(sim::fault::cut, 0.2);
        options.faults.set(sim::fault::small_segment, 0.5);
        sim::world w(seed, options);
        std::string got;
        w.add("server").on_boot([&] {
            return bight::serve("tcp:7000",
                                [&](bight::stream peer) -> task<> { got = co_await read_all(peer); });
        });
        w.add("client").run([&]() -> task<> {
            bight::connect_options patience;
            patience.timeout = 10min;
            bight::stream peer = co_await bight::connect("tcp:server:7000", patience);
            for (std::size_t i = 0; i < text.size(); i += 50) {
                co_await peer.write(text.substr(i, 50));
                co_await bight::sleep_for(300ms);
            }
            co_await peer.close();
            co_await bight::sleep_for(10min);
        });
        w.run_for(3s);
        if (seed % 2 == 0) w.heal();
        w.run();
        INFO("seed " << seed);
        cuts += w.count(sim::fault::cut);
        CHECK(got == text);
    }
    CHECK(cuts > 20);
}
