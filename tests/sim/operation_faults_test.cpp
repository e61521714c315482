// What goes wrong with an operation of a socket, by what a program sees of it.
#include "faulty.hpp"

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using test::pair_of_hosts;
using test::read_all;
using test::read_until_error;
using test::with;
namespace sim = bight::sim;

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

TEST_CASE("late_cancel: a read that was cancelled ends up to 1 ms later, or succeeds until then") {
    const bool late = GENERATE(false, true);
    constexpr int rounds = 100;
    std::vector<bight::duration> ended_after;  // its deadline; nothing came
    int saved = 0;                             // by what came after its deadline
    std::string got;
    sim::world_options options = with(sim::fault::late_cancel, late ? 1 : 0);
    options.link = test::always(1ms);
    pair_of_hosts pair(
        options,
        [&](bight::stream& peer) -> task<> {
            const bight::time_point start = bight::reactor::current()->now();
            for (int round = 0; round < 2 * rounds; ++round) {
                const bight::time_point begin = start + round * 10ms;
                co_await bight::sleep_until(begin);
                auto data = co_await bight::try_with_timeout(peer.read_some(), 1ms);
                const bight::duration over = bight::reactor::current()->now() - begin - 1ms;
                if (data) {
                    got += data->view();
                    saved += over > 0us ? 1 : 0;
                } else if (round < rounds) {
                    ended_after.push_back(over);
                }
            }
            while (auto data = co_await peer.read_some()) got += data.view();
        },
        [&](bight::stream& peer) -> task<> {
            co_await bight::sleep_for(rounds * 10ms - 2ms);  // the handshake, and the way
            const bight::time_point start = bight::reactor::current()->now();
            for (int i = 0; i < rounds; ++i) {  // it arrives at any moment of a round
                co_await bight::sleep_until(start + i * 10ms + i * 30us);
                co_await peer.write(std::string(1, static_cast<char>('a' + i % 26)));
            }
            co_await peer.close();
            co_await bight::sleep_for(1s);
        });
    pair.world.run();
    REQUIRE(got.size() == rounds);
    for (int i = 0; i < rounds; ++i) CHECK(got[static_cast<std::size_t>(i)] == 'a' + i % 26);
    if (late) {
        test::check_spread(ended_after, 1us, 1ms);
        CHECK(saved > 0);
    } else {
        CHECK(ended_after == std::vector<bight::duration>(rounds, 0us));
        CHECK(saved == 0);
    }
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

TEST_CASE("false_readiness: an operation that waits is tried from 1 to 8 times for nothing") {
    const bool tried = GENERATE(false, true);
    std::vector<std::uint64_t> times;
    pair_of_hosts pair(
        with(sim::fault::false_readiness, tried ? 1 : 0),
        [](bight::stream& peer) -> task<> {
            for (int i = 0; i < 100; ++i) {
                co_await bight::sleep_for(10ms);
                co_await peer.write("x");
            }
        },
        [&](bight::stream& peer) -> task<> {
            // What is scheduled on this host besides its own task is what is tried for nothing.
            const auto scheduled = [] { return bight::reactor::current()->statistics().resumptions; };
            std::uint64_t before = scheduled();
            while (auto data = co_await peer.read_some()) {
                const std::uint64_t now = scheduled();
                times.push_back(now - before);
                before = now;
            }
        });
    pair.world.run();
    REQUIRE(times.size() == 100);
    const std::uint64_t least = *std::min_element(times.begin(), times.end());
    const std::uint64_t most = *std::max_element(times.begin(), times.end());
    if (tried) {
        CHECK(most - least == 7);
        CHECK(std::set<std::uint64_t>(times.begin(), times.end()).size() == 8);
    } else {
        CHECK(most == least);
    }
}

TEST_CASE("interrupted_wait: several hosts, or one twice, may be woken in one moment") {
    sim::world w(1, with(sim::fault::interrupted_wait, 1));
    int ticks = 0;
    for (int i = 0; i < 20; ++i) {
        w.add("host " + std::to_string(i)).run([&]() -> task<> {
            for (int n = 0; n < 200; ++n) {
                co_await bight::sleep_for(1ms);
                ++ticks;
            }
        });
    }
    w.run();
    CHECK(ticks == 20 * 200);
    CHECK(w.count(sim::fault::interrupted_wait) > 2000);
}

TEST_CASE("interrupted_wait: a host is woken as often as it is counted, and does nothing then") {
    const auto polls_of = [](double probability, std::uint64_t& interrupted) {
        sim::world w(1, with(sim::fault::interrupted_wait, probability));
        std::uint64_t polls = 0;
        bight::duration slept{};
        w.add("host").run([&]() -> task<> {
            const std::uint64_t before = bight::reactor::current()->statistics().polls;
            for (int i = 0; i < 100; ++i) co_await bight::sleep_for(1s);
            polls = bight::reactor::current()->statistics().polls - before;
            slept = w.elapsed();
        });
        w.run();
        CHECK(slept == 100s);
        interrupted = w.count(sim::fault::interrupted_wait);
        return polls;
    };
    std::uint64_t never = 0;
    std::uint64_t always = 0;
    const std::uint64_t usual = polls_of(0, never);
    const std::uint64_t more = polls_of(1, always);
    CHECK(never == 0);
    CHECK(always >= 100);
    CHECK(more == usual + always);
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

TEST_CASE(
    "no_memory: a close that throws away what the peer sends goes on, and all that was written arrives") {
    const std::string question(500'000, 'q');
    const std::string answer(500'000, 'a');
    std::string got;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        sim::world_options options;
        options.faults.set(sim::fault::no_memory, 0.5);
        bool closed = false;
        pair_of_hosts pair(
            options,
            [&](bight::stream& peer) -> task<> {
                bight::outbox out(peer, {.capacity = answer.size()});
                out.send(answer);
                co_await peer.close();
                closed = true;
            },
            [&](bight::stream& peer) -> task<> {  // reads nothing before all of its own is taken
                co_await peer.write(question);
                got.assign(answer.size(), '\0');
                co_await peer.read_exactly(got);
                char more = 0;
                const auto rest = co_await peer.read_some(bight::mutable_buffer(&more, 1));
                CHECK(rest == 0);
            },
            seed);
        pair.world.run();
        CHECK(closed);
        CHECK((got == answer));
    }
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

TEST_CASE("accept_error: while accepts fail nothing is accepted, and then what waits is") {
    const bool fails = GENERATE(false, true);
    std::set<std::string> warnings;
    bight::set_log_handler([](bight::log_level, std::string_view text,
                              void* into) { static_cast<std::set<std::string>*>(into)->emplace(text); },
                           &warnings);
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        bool accepted_meanwhile = false;
        std::string got;
        sim::world w(seed, with(sim::fault::accept_error, fails ? 1 : 0));
        w.add("server").run([&]() -> task<> {
            bight::listen_options waits;
            waits.when_exhausted = bight::exhaustion_policy::wait;
            bight::listener l = bight::listen("tcp:7000", waits);
            auto peer = co_await bight::try_with_timeout(l.accept(), 10s);
            accepted_meanwhile = peer.has_value();
            w.set_faults({});
            if (!peer) peer = co_await l.accept();
            got = co_await read_all(*peer);
        });
        w.add("client").run([]() -> task<> {
            co_await bight::sleep_for(1ms);
            bight::stream peer = co_await bight::connect("tcp:server:7000");
            co_await peer.write("hello");
            co_await peer.close();
        });
        w.run();
        CHECK(accepted_meanwhile != fails);
        CHECK((w.count(sim::fault::accept_error) > 0) == fails);
        CHECK(got == "hello");
    }
    bight::set_log_handler(nullptr);
    for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
        const std::string text = bight::detail::errno_category().message(error);
        const auto names_it = [&](const std::string& w) { return w.find(text) != std::string::npos; };
        CHECK(std::any_of(warnings.begin(), warnings.end(), names_it) == fails);
    }
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
