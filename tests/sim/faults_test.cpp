// Each switch of a fault plan, by what a program sees of it; and what a test does to a world by hand.
#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
namespace sim = bight::sim;

namespace {

sim::world_options with(sim::fault f, double probability = 1) {
    sim::world_options options;
    options.faults.set(f, probability);
    return options;
}

using conversation = std::function<task<>(bight::stream&)>;

task<> hang_up(bight::stream&) { co_return; }

// A world of a server and a client, each of which has one end of a connection.
class pair_of_hosts {
  public:
    pair_of_hosts(sim::world_options options, conversation server, conversation client)
        : serves_(std::move(server)), asks_(std::move(client)), world(1, std::move(options)) {
        world.add("server").on_boot([this] {
            return bight::serve("tcp:7000", [this](bight::stream peer) -> task<> { co_await serves_(peer); });
        });
        world.add("client").run([this]() -> task<> {
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            co_await asks_(peer);
        });
    }

  private:
    conversation serves_;
    conversation asks_;

  public:
    sim::world world;  // its tasks use the others
};

// The error that a connection attempt ends with, and when.
struct outcome {
    std::error_code error;
    bight::duration after{};
};

outcome connect_with(const sim::world_options& options) {
    sim::world w(1, options);
    w.add("server").on_boot([] {
        return bight::serve("tcp:7000",
                            [](bight::stream peer) -> task<> { auto bytes = co_await peer.read_some(); });
    });
    outcome seen;
    w.add("client").run([&]() -> task<> {
        auto peer = co_await bight::as_result(bight::connect("tcp:server:7000"));
        if (!peer) seen.error = peer.error();
        seen.after = w.elapsed();
    });
    w.run();
    return seen;
}

task<std::string> read_all(bight::stream& peer) {
    std::string all;
    while (auto data = co_await peer.read_some()) all += data.view();
    co_return all;
}

// Everything into `got`; the error that ended it, if it was no end.
task<std::error_code> read_until_error(bight::stream& from, std::string& got) {
    for (;;) {
        auto data = co_await bight::as_result(from.read_some());
        if (!data) co_return data.error();
        if (!*data) co_return std::error_code();
        got += data->view();
    }
}

}  // namespace

TEST_CASE("every fault has a name of its own") {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < sim::fault_kinds; ++i) names.insert(name_of(static_cast<sim::fault>(i)));
    CHECK(names.size() == sim::fault_kinds);
    CHECK_FALSE(names.contains("unknown"));
    CHECK_FALSE(names.contains(""));
}

TEST_CASE("everything happens in a storm") {
    const sim::fault_plan storm = sim::fault_plan::storm();
    for (std::size_t i = 0; i < sim::fault_kinds; ++i) {
        INFO(name_of(static_cast<sim::fault>(i)));
        CHECK(storm.probability(static_cast<sim::fault>(i)) > 0);
    }
}

TEST_CASE("short_read: a read gets some of what is there, and the next one more") {
    std::size_t reads = 0;
    std::string got;
    pair_of_hosts pair(
        with(sim::fault::short_read),
        [&](bight::stream& peer) -> task<> {
            co_await bight::sleep_for(1s);
            while (auto data = co_await peer.read_some()) {
                ++reads;
                got += data.view();
            }
        },
        [](bight::stream& peer) -> task<> {
            co_await peer.write("0123456789");
            co_await peer.close();
            co_await bight::sleep_for(2s);
        });
    pair.world.run();
    CHECK(reads > 1);
    CHECK(got == "0123456789");
}

TEST_CASE("short_write: a write takes several steps, and loses nothing") {
    const std::string text(300, 'x');
    std::string got;
    pair_of_hosts pair(
        with(sim::fault::short_write), [&](bight::stream& peer) -> task<> { got = co_await read_all(peer); },
        [&](bight::stream& peer) -> task<> {
            const bight::time_point before = bight::reactor::current()->now();
            co_await peer.write(text);
            CHECK(bight::reactor::current()->now() > before);
            co_await peer.close();
            co_await bight::sleep_for(1s);
        });
    pair.world.run();
    CHECK(pair.world.count(sim::fault::short_write) > 1);
    CHECK(got == text);
}

TEST_CASE("short_write: a write that is cancelled between its steps has sent a beginning of what it had") {
    const std::string text = "abcdefghijklmnopqrstuvwxyz";
    std::string got;
    std::error_code end;
    pair_of_hosts pair(
        with(sim::fault::short_write),
        [&](bight::stream& peer) -> task<> { end = co_await read_until_error(peer, got); },
        [&](bight::stream& peer) -> task<> {
            const bool whole = co_await bight::try_with_timeout(peer.write(text), 1us);
            CHECK_FALSE(whole);
            auto closed = co_await bight::as_result(peer.close());
            CHECK(closed.error() == bight::errc::aborted);
            co_await bight::sleep_for(1s);
        });
    pair.world.run();
    CHECK(end == std::errc::connection_reset);
    CHECK_FALSE(got.empty());
    CHECK(got.size() < text.size());
    CHECK(text.starts_with(got));
}

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

TEST_CASE("slow_completion: a result is late, and right") {
    std::string got;
    pair_of_hosts pair(
        with(sim::fault::slow_completion),
        [&](bight::stream& peer) -> task<> { got = co_await read_all(peer); },
        [](bight::stream& peer) -> task<> {
            const bight::time_point before = bight::reactor::current()->now();
            co_await peer.write("hello");
            const bight::duration took = bight::reactor::current()->now() - before;
            CHECK(took > 0us);
            CHECK(took <= 50ms);
            co_await peer.close();
            co_await bight::sleep_for(1s);
        });
    pair.world.run();
    CHECK(got == "hello");
}

TEST_CASE("late_cancel: what arrives while an operation goes is not lost") {
    std::string got;
    bool any_late = false;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        got.clear();
        sim::world w(seed, with(sim::fault::late_cancel));
        w.add("server").on_boot([&] {
            return bight::serve("tcp:7000", [&](bight::stream peer) -> task<> {
                for (;;) {
                    auto data = co_await bight::try_with_timeout(peer.read_some(), 500us);
                    if (!data) continue;
                    if (data->empty()) co_return;
                    got += data->view();
                }
            });
        });
        w.add("client").run([]() -> task<> {
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            for (int i = 0; i < 10; ++i) {
                co_await peer.write(std::to_string(i));
                co_await bight::sleep_for(1ms);
            }
            co_await peer.close();
            co_await bight::sleep_for(1s);
        });
        w.run();
        INFO("seed " << seed);
        CHECK(got == "0123456789");
        any_late = any_late || w.count(sim::fault::late_cancel) > 0;
    }
    CHECK(any_late);
}

TEST_CASE("false_readiness: an operation that is tried for nothing goes on waiting") {
    const bool everything = GENERATE(false, true);
    sim::world_options options = with(sim::fault::false_readiness);
    if (everything) options.faults.set(sim::fault::late_cancel, 0.5).set(sim::fault::slow_completion, 0.5);
    std::string got;
    int timeouts = 0;
    pair_of_hosts pair(
        options,
        [&](bight::stream& peer) -> task<> {
            for (;;) {
                auto data = co_await bight::try_with_timeout(peer.read_some(), 110us);  // among the tries
                if (!data) {
                    ++timeouts;
                    continue;
                }
                if (data->empty()) co_return;
                got += data->view();
            }
        },
        [](bight::stream& peer) -> task<> {
            for (int i = 0; i < 10; ++i) {
                co_await peer.write(std::to_string(i));
                co_await bight::sleep_for(1ms);
            }
            co_await peer.close();
            co_await bight::sleep_for(1s);
        });
    pair.world.run();
    CHECK(pair.world.count(sim::fault::false_readiness) > 10);
    CHECK(timeouts > 5);
    CHECK(got == "0123456789");
}

TEST_CASE("interrupted_wait: a host that is woken for nothing does nothing") {
    sim::world w(1, with(sim::fault::interrupted_wait));
    std::uint64_t turns = 0;
    bight::duration slept{};
    w.add("host").run([&]() -> task<> {
        const bight::time_point before = bight::reactor::current()->now();
        co_await bight::sleep_for(1s);
        slept = bight::reactor::current()->now() - before;
    });
    w.run();
    turns = w.count(sim::fault::interrupted_wait);
    CHECK(turns > 0);
    CHECK(slept == 1s);
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

TEST_CASE("no_buffers: a write fails, and nothing of it is sent") {
    std::string got;
    std::error_code end;
    pair_of_hosts pair(
        with(sim::fault::no_buffers),
        [&](bight::stream& peer) -> task<> { end = co_await read_until_error(peer, got); },
        [](bight::stream& peer) -> task<> {
            auto sent = co_await bight::as_result(peer.write("hello"));
            CHECK(sent.error() == std::errc::no_buffer_space);
            auto closed = co_await bight::as_result(peer.close());
            CHECK(closed.error() == bight::errc::aborted);
            co_await bight::sleep_for(1s);
        });
    pair.world.run();
    CHECK(got.empty());
    CHECK(end == std::errc::connection_reset);
}

TEST_CASE("no_memory: a read fails, and the next one gets the bytes") {
    std::string got;
    pair_of_hosts pair(
        with(sim::fault::no_memory),
        [&](bight::stream& peer) -> task<> {
            auto data = co_await bight::as_result(peer.read_some());
            REQUIRE_FALSE(data);
            CHECK(data.error() == std::errc::not_enough_memory);
            pair.world.set_faults({});
            got = co_await read_all(peer);
        },
        [](bight::stream& peer) -> task<> {
            co_await peer.write("hello");
            co_await peer.close();
            co_await bight::sleep_for(1s);
        });
    pair.world.run();
    CHECK(got == "hello");
}

TEST_CASE("accept_error: a server goes on accepting, and refuses nobody once it is over") {
    int served = 0;
    sim::world w(3, with(sim::fault::accept_error, 0.7));
    w.add("server").on_boot([&] {
        return bight::serve("tcp:7000", [&](bight::stream) -> task<> {
            ++served;
            co_return;
        });
    });
    w.add("client").run([]() -> task<> {
        for (int i = 0; i < 20; ++i) {
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            auto end = co_await bight::as_result(peer.read_some());
        }
    });
    w.run();
    CHECK(w.count(sim::fault::accept_error) > 5);
    CHECK(served > 0);
    const int before = served;
    w.heal();
    w.at("client").run([]() -> task<> {
        co_await bight::sleep_for(1min);
        for (int i = 0; i < 20; ++i) {
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            auto end = co_await peer.read_some();
        }
    });
    w.run();
    CHECK(served == before + 20);
}

TEST_CASE("refused_connect, lost_connect: an attempt fails at once, or after a while") {
    const outcome refused = connect_with(with(sim::fault::refused_connect));
    CHECK(refused.error == std::errc::connection_refused);
    CHECK(refused.after < 1s);
    const outcome lost = connect_with(with(sim::fault::lost_connect));
    CHECK(lost.error == bight::errc::timed_out);
    CHECK(lost.after >= 30s);
    CHECK(lost.after < 31s);
}

TEST_CASE("slow_packet: the tail of the latency, of a packet that is named in the trace") {
    pair_of_hosts pair(with(sim::fault::slow_packet), hang_up,
                       [](bight::stream& peer) -> task<> { auto end = co_await peer.read_some(); });
    pair.world.run();
    CHECK(pair.world.elapsed() > 6ms);  // three packets, of more than 2 ms each
    bool named = false;
    for (const sim::trace_event& e : pair.world.trace().events()) {
        named = named || (e.what == "fault" && e.link == 1);
    }
    CHECK(named);
}

TEST_CASE("cut: packets wait, none is lost, none overtakes another") {
    std::string text;
    for (int i = 0; i < 300; ++i) text += std::to_string(i) + " ";
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
        CHECK(w.count(sim::fault::cut) > 0);
        CHECK(got == text);
    }
}

TEST_CASE("unknown_name, stale_name, slow_name: what becomes of a look-up") {
    CHECK(connect_with(with(sim::fault::unknown_name)).error);
    CHECK(connect_with(with(sim::fault::unknown_name)).after < 1s);
    const outcome stale = connect_with(with(sim::fault::stale_name));
    CHECK(stale.error == bight::errc::timed_out);
    const outcome slow = connect_with(with(sim::fault::slow_name));
    CHECK_FALSE(slow.error);
    CHECK(slow.after > 5ms);
    CHECK(slow.after < 21s);
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

TEST_CASE("a host whose timers are late can lose its power: no clean-up waits for them") {
    sim::world w(1, with(sim::fault::late_timers));
    bool cleaning = false;
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
    CHECK(cleaning);
    CHECK_FALSE(server.is_up());
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
    CHECK(reached[2] == std::make_error_code(std::errc::connection_refused).message());
    CHECK(reached[3].find("not known") != std::string::npos);
    REQUIRE_THROWS_AS(w.set_name("service", {"10.0.0.9", "nowhere"}), std::invalid_argument);
}

TEST_CASE("a fault that is off changes nothing of a run") {
    const auto digest_with = [](const sim::fault_plan& plan) {
        sim::world_options options;
        options.faults = plan;
        sim::world w(9, options);
        w.add("server").on_boot([] {
            return bight::serve("tcp:7000", [](bight::stream peer) -> task<> {
                while (auto data = co_await peer.read_some()) co_await peer.write(data);
            });
        });
        w.add("client").run([]() -> task<> {
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            co_await peer.write(std::string(10'000, 'x'));
            std::string got(10'000, ' ');
            co_await peer.read_exactly(got);
        });
        w.run();
        return w.trace().digest();
    };
    sim::fault_plan all = sim::fault_plan::storm();
    all.suppress_from(0);
    CHECK(digest_with({}) == digest_with(all));
}
