// What goes wrong on a host: names, threads, timers, turns, its power, its date; and what a test does to it
// by hand.
#include "faulty.hpp"
#include "io/socket_headers.hpp"

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/net/resolver.hpp>
#include <bight/sim/world.hpp>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using test::connect_outcome;
using test::connect_with;
using test::with;
namespace sim = bight::sim;

TEST_CASE("unknown_name, stale_name: what becomes of a look-up") {
    CHECK(connect_with(with(sim::fault::unknown_name)).error);
    CHECK(connect_with(with(sim::fault::unknown_name)).after < 1s);
    const connect_outcome stale = connect_with(with(sim::fault::stale_name));
    CHECK(stale.error == bight::errc::timed_out);
}

TEST_CASE("slow_name: a look-up takes up to 20 s, and finds what it would have found") {
    const bool slow = GENERATE(false, true);
    std::vector<bight::duration> took;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        sim::world_options options = with(sim::fault::slow_name, slow ? 1 : 0);
        options.link = test::always(0us);
        const connect_outcome seen = connect_with(options, seed);
        CHECK_FALSE(seen.error);
        took.push_back(seen.after);
    }
    test::check_spread(took, slow ? 5ms : 100us, slow ? 20s : 5ms);
}

TEST_CASE("slow_thread: a job for another thread takes its time, and gives what it gives") {
    sim::world w(1, with(sim::fault::slow_thread));
    int result = 0;
    w.add("host").run([&]() -> task<> { result = co_await bight::offload([] { return 42; }); });
    w.run();
    CHECK(result == 42);
    CHECK(w.elapsed() > 1ms);
    CHECK(w.elapsed() <= 30s);
}

TEST_CASE("late_timers: a timer fires late, never early, and in its order") {
    sim::world w(1, with(sim::fault::late_timers));
    std::vector<int> order;
    w.add("host").run([&]() -> task<> {
        const bight::time_point start = bight::reactor::current()->now();
        const auto one = [&](int ms) -> task<> {
            co_await bight::sleep_for(std::chrono::milliseconds(ms));
            const bight::duration took = bight::reactor::current()->now() - start;
            CHECK(took > std::chrono::milliseconds(ms));
            CHECK(took <= std::chrono::milliseconds(ms + 20));
            order.push_back(ms);
        };
        co_await bight::when_all(one(30), one(10), one(100), one(11));
    });
    w.run();
    CHECK(order == std::vector{10, 11, 30, 100});
    CHECK(w.count(sim::fault::late_timers) >= 2);
}

TEST_CASE("a host whose timers are late can lose its power: no clean-up begins, and none waits in the end") {
    bool cleaning = false;
    std::optional<sim::world> in(std::in_place, 1, with(sim::fault::late_timers));
    sim::world& w = *in;
    sim::host& server = w.add("server");
    server.on_boot([&]() -> task<> {
        auto ticks = []() -> task<> {
            for (;;) co_await bight::sleep_for(1ms);
        };
        auto clean_up = [&]() -> task<> {
            cleaning = true;
            co_await bight::sleep_for(1h);
        };
        co_await bight::finally(ticks(), clean_up);
    });
    w.run_for(0s);
    w.add("other").run([]() -> task<> { co_await bight::sleep_for(1h); });
    while (w.count(sim::fault::late_timers) == 0) w.run_for(1us);
    server.crash();
    CHECK_FALSE(server.is_up());
    w.run_for(2h);
    CHECK_FALSE(cleaning);
    in.reset();
    CHECK(cleaning);
}

TEST_CASE("slow_turn: what a host does takes time") {
    for (const double probability : {0.0, 1.0}) {
        sim::world w(1, with(sim::fault::slow_turn, probability));
        w.add("host").run([]() -> task<> {
            for (int i = 0; i < 100; ++i) co_await bight::yield();
        });
        w.run();
        CHECK((w.elapsed() > 10ms) == (probability > 0));
        CHECK(w.elapsed() <= 101ms);
    }
}

TEST_CASE("pause: a host stands still, and its timers are late by that") {
    sim::world w(1, with(sim::fault::pause, 0.5));
    w.add("host").run([]() -> task<> {
        for (int i = 0; i < 10; ++i) co_await bight::sleep_for(1ms);
    });
    w.run();
    CHECK(w.count(sim::fault::pause) > 0);
    CHECK(w.elapsed() > 11ms);
}

TEST_CASE("crash: a host that has an on_boot program starts again, and one that has none is spared") {
    sim::world w(2, with(sim::fault::crash, 0.1));
    int boots = 0;
    w.add("server").on_boot([&]() -> task<> {
        ++boots;
        for (;;) co_await bight::sleep_for(1s);
    });
    bool client_ended = false;
    w.add("client").run([&]() -> task<> {
        co_await bight::sleep_for(100s);
        client_ended = true;
    });
    w.run();
    CHECK(client_ended);
    CHECK(w.count(sim::fault::crash) > 1);
    CHECK(boots > 1);
}

TEST_CASE("a host that was crashed by hand stays down, whatever a crash of before has planned for it") {
    sim::world w(1, with(sim::fault::crash));
    sim::host& server = w.add("server");
    server.on_boot([]() -> task<> { co_await bight::sleep_for(1s); });
    w.run_for(0s);
    w.add("other").run([]() -> task<> { co_await bight::sleep_for(100s); });
    w.run_for(1us);  // it crashes in its first turn
    CHECK_FALSE(server.is_up());
    w.set_faults({});
    server.restart();
    server.crash();
    w.run();
    CHECK_FALSE(server.is_up());
}

TEST_CASE("wall_jump, set_date: the date jumps, and timers do not notice") {
    sim::world w(1, with(sim::fault::wall_jump, 0.5));
    sim::host& host = w.add("host");
    std::set<std::chrono::hours> hours;
    host.run([&]() -> task<> {
        for (int i = 0; i < 50; ++i) {
            hours.insert(
                std::chrono::duration_cast<std::chrono::hours>(bight::wall_clock_now().time_since_epoch()));
            co_await bight::sleep_for(1ms);
        }
    });
    w.run();
    CHECK(hours.size() > 1);
    CHECK(w.elapsed() == 50ms);
    w.set_faults({});
    const std::chrono::system_clock::time_point date{std::chrono::seconds(951'782'400)};  // 2000-02-29
    host.set_date(date);
    std::chrono::system_clock::time_point seen;
    host.run([&]() -> task<> {
        seen = bight::wall_clock_now();
        co_return;
    });
    w.run();
    CHECK(seen == date);
}

TEST_CASE("user: a program's own points happen, and only there") {
    CHECK_FALSE(sim::sometimes("outside"));
    sim::world w(1, with(sim::fault::user));
    bool happened = false;
    w.add("host").run([&]() -> task<> {
        happened = BIGHT_SOMETIMES("inside");
        co_return;
    });
    w.run();
    CHECK(happened);
}

TEST_CASE("set_name: a name can move, have several addresses, and go") {
    sim::world w(1);
    w.add("old", "10.0.0.8");
    w.add("new", "10.0.0.9").on_boot([] {
        return bight::serve("tcp:7000", [](bight::stream) -> task<> { co_return; });
    });
    std::vector<std::string> reached;
    const auto ask = [&]() -> task<> {
        auto peer = co_await bight::as_result(bight::connect("tcp:service:7000"));
        reached.push_back(peer ? peer->peer().host() : peer.error().message());
    };
    const auto ask_again = [&](std::vector<std::string> addresses) {
        w.set_name("service", std::move(addresses));
        w.at("client").run(ask);
        w.run();
    };
    w.add("client");
    ask_again({"10.0.0.9"});
    ask_again({"10.0.0.8", "10.0.0.9"});  // the first refuses
    ask_again({"10.0.0.8"});
    ask_again({});
    REQUIRE(reached.size() == 4);
    CHECK(reached[0] == "10.0.0.9");
    CHECK(reached[1] == "10.0.0.9");
    CHECK(reached[2] == bight::detail::errno_category().message(ECONNREFUSED));
    CHECK(reached[3] == bight::resolver_category().message(EAI_NONAME));
    REQUIRE_THROWS_AS(w.set_name("service", {"10.0.0.9", "nowhere"}), std::invalid_argument);
}

namespace {

struct outcomes {
    int connected = 0;
    int refused = 0;
    std::vector<bight::duration> took;  ///< those that connected
};

// Begins while the server is down.
task<> connect_and_count(const sim::world& w, outcomes& seen) {
    const bight::duration begun = w.elapsed();
    auto peer = co_await bight::as_result(bight::connect("tcp:server:7000"));
    if (peer) {
        ++seen.connected;
        seen.took.push_back(w.elapsed() - begun);
    } else if (peer.error() == std::errc::connection_refused) {
        ++seen.refused;
    }
}

// What was sent to a host that is down is lost, and the next attempt comes 1, 2, 4, … s later: at a host that
// does not listen yet, or at one that does.
void check_both(const outcomes& seen, int all) {
    CHECK(seen.connected + seen.refused == all);
    CHECK(seen.connected > all / 10);
    CHECK(seen.refused > all / 10);
    for (const bight::duration took : seen.took) {
        bight::duration attempt{};
        for (bight::duration pause = 1s; attempt + pause <= took; pause *= 2) attempt += pause;
        CHECK(attempt >= 1s);
        CHECK(took - attempt < 500ms);
    }
}

task<> listen_and_close() {
    co_await bight::serve("tcp:7000", [](bight::stream) -> task<> { co_return; });
}

}  // namespace

TEST_CASE(
    "a connection that is asked for while its host is down is refused as it starts, or made after that") {
    SECTION("where a task starts it") {
        outcomes seen;
        int all = 0;
        for (std::uint64_t seed = 1; seed <= 100; ++seed) {
            sim::world w(seed);
            sim::host& server = w.add("server");
            server.on_boot(listen_and_close);
            w.run_for(1s);
            server.crash();
            w.add("operator").run([&]() -> task<> {
                co_await bight::sleep_for(std::chrono::milliseconds(500 + bight::random_below(5000)));
                server.restart();
            });
            w.add("client").run([&] { return connect_and_count(w, seen); });
            w.run();
            ++all;
        }
        check_both(seen, all);
    }
    SECTION("where it starts by itself after a crash") {
        outcomes seen;
        int all = 0;
        for (std::uint64_t seed = 1; seed <= 100; ++seed) {
            sim::world w(seed);
            sim::host& server = w.add("server");
            server.on_boot(listen_and_close);
            sim::host& client = w.add("client");
            w.run_for(1s);
            w.set_faults(sim::fault_plan().set(sim::fault::crash, 1));
            client.run([]() -> task<> {  // the server runs for it
                auto peer = co_await bight::as_result(bight::connect("tcp:server:7000"));
                co_await bight::sleep_for(50ms);
            });
            w.run_for(50ms);
            w.set_faults({});
            if (server.is_up()) continue;
            client.run([&] { return connect_and_count(w, seen); });
            w.run();
            ++all;
        }
        REQUIRE(all > 50);
        check_both(seen, all);
    }
}
