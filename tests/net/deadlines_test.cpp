// Time-outs around operations on sockets: a deadline is a timer in the awaiter, not a task that races with
// it.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

using bight::stream;
using bight::task;
using test::pattern;
using namespace std::chrono_literals;

namespace {

// A reactor whose clock moves by hand, so that a deadline comes in the turn in which something completes.
struct manual_fixture {
    explicit manual_fixture(bight::demultiplexer_kind kind)
        : time(bight::virtual_clock::mode::manual), on(kind, with(time)) {}
    static bight::reactor_options with(bight::virtual_clock& time) {
        bight::reactor_options options;
        options.clock = &time;
        return options;
    }
    bight::virtual_clock time;
    test::reactor_fixture on;
};

// A few turns: what was started has reached the kernel.
task<> settle() {
    for (int i = 0; i < 3; ++i) co_await bight::yield();
}

task<long> frames_now() { co_return bight::detail::live_frames(); }

task<long> frames_under_two_deadlines() {
    co_return co_await bight::with_timeout(bight::with_timeout(frames_now(), 1h), 2h);
}

}  // namespace

TEST_CASE("race 6: an operation that completes in the turn of its deadline gives its result") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto family = GENERATE(from_range(test::those_here({test::family::tcp, test::family::unix_path})));
    CAPTURE(kind, family);
    manual_fixture clocked(kind);
    clocked.on.run([&]() -> task<> {
        const test::temporary_directory directory;
        bight::listener l = bight::listen(test::new_endpoint(family, directory));
        const bight::address where = l.local();
        auto pair = co_await test::connected_to_raw(family);
        for (int round = 0; round < 20; ++round) {
            std::string byte(1, '\0');
            std::optional<test::raw_socket> client;
            auto complete_all = [&]() -> task<> {
                co_await settle();
                pair.raw.send("x");
                client.emplace(test::raw_connect(where));
                clocked.time.advance(1s);
            };
            auto read = [&]() -> task<> {
                if (round % 2) {
                    const auto chunk = co_await bight::with_timeout(pair.stream.read_some(), 1s);
                    byte = chunk.view();
                } else {
                    co_await bight::with_timeout(pair.stream.read_exactly(byte), 1s);
                }
            };
            auto accept = [&]() -> task<> {
                stream one = co_await bight::with_timeout(l.accept(), 1s);
                one.abort();  // closing takes its time, and a timer
            };
            co_await bight::when_all(read(), accept(), complete_all());
            CHECK(byte == "x");
            CHECK(clocked.on.reactor().statistics().live_timers == 0);
        }
    });
}

TEST_CASE("race 6: a connect whose deadline comes in the turn in which it completes is made or refused") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto family = GENERATE(from_range(test::those_here({test::family::tcp, test::family::unix_path})));
    CAPTURE(kind, family);
    manual_fixture clocked(kind);
    clocked.on.run([&]() -> task<> {
        const test::temporary_directory directory;
        bight::listener l = bight::listen(test::new_endpoint(family, directory));
        const std::string where = test::endpoint_to(l.local());
        for (int round = 0; round < 12; ++round) {
            std::optional<stream> made;
            bool timed_out = false;
            auto connect = [&]() -> task<> {
                made = co_await bight::try_with_timeout(bight::connect(where), 1s);
                timed_out = !made;
            };
            auto pass_time = [&]() -> task<> {
                for (int turn = 0; turn < round % 4; ++turn) co_await bight::yield();
                clocked.time.advance(1s);
            };
            co_await bight::when_all(connect(), pass_time());
            CHECK(made.has_value() != timed_out);
            if (!made) continue;
            // It is a whole connection: the one that is accepted may have been preceded by some that were
            // given up.
            co_await made->write("here");
            co_await made->shutdown_write();
            std::string got;
            while (got.empty()) {
                stream accepted = co_await l.accept();
                got = co_await test::read_all(accepted);
            }
            CHECK(got == "here");
        }
    });
}

TEST_CASE("race 6: time-outs inside when_any, due in the turn of the completions, leave nothing") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto family = GENERATE(from_range(test::those_here({test::family::tcp, test::family::unix_path})));
    CAPTURE(kind, family);
    constexpr std::size_t rounds = 60;
    manual_fixture clocked(kind);
    clocked.on.run([&]() -> task<> {
        const test::temporary_directory directory;
        bight::listener l = bight::listen(test::new_endpoint(family, directory));
        const bight::address where = l.local();
        auto pair = co_await test::connected_to_raw(family);
        std::string got;
        std::vector<test::raw_socket> clients;
        std::size_t accepted = 0;
        const long frames = bight::detail::live_frames();
        for (std::size_t round = 0; round < rounds; ++round) {
            auto read = [&]() -> task<> {
                const auto chunk = co_await bight::try_with_timeout(pair.stream.read_some(), 1s);
                if (chunk) got += chunk->view();
            };
            auto accept = [&]() -> task<> {
                auto one = co_await bight::try_with_timeout(l.accept(), 1s);
                if (!one) co_return;
                ++accepted;
                one->abort();  // closing takes its time, and a timer
            };
            auto timer = [&]() -> task<> { co_await bight::sleep_for(1s); };
            auto complete = [&]() -> task<> {
                co_await settle();
                if (round % 2) pair.raw.send(pattern(round / 2, 1));
                if (round % 3 == 0) clients.push_back(test::raw_connect(where));
                if (round % 5 == 0) co_await settle();
                clocked.time.advance(1s);
                co_await bight::sleep_for(1h);  // until somebody else has ended
            };
            // The deadline around the whole comes in the same turn, too.
            auto any = [&]() -> task<> { co_await bight::when_any(read(), accept(), timer(), complete()); };
            co_await bight::try_with_timeout(any(), 1s);
            CHECK(bight::detail::live_frames() == frames);
            CHECK(clocked.on.reactor().statistics().live_timers == 0);
        }
        pair.raw.close();
        const std::string rest = co_await test::read_all(pair.stream);
        got += rest;
        CHECK((got == pattern(0, rounds / 2)));
        for (; accepted < clients.size(); ++accepted) co_await l.accept();
    });
}

TEST_CASE("race 6: with_timeout makes no frame of its own, and one timer") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        const long bare = co_await frames_now();
        const long bounded = co_await bight::with_timeout(frames_now(), 1h);
        CHECK(bounded == bare);
        const long twice = co_await frames_under_two_deadlines();
        CHECK(twice == bare + 2);  // the coroutine, and the inner time-out made a task
        auto pair = co_await test::connected_pair(test::family::tcp);
        const long before = bight::detail::live_frames();
        auto look = [&]() -> task<> {
            co_await settle();
            // Its own, the other task's, and the one that makes an operation a task.
            CHECK(bight::detail::live_frames() == before + 3);
            CHECK(on.reactor().statistics().live_timers == 1);
            co_await pair.client.write("x");
        };
        auto read = [&]() -> task<> { co_await bight::with_timeout(pair.server.read_some(), 1h); };
        co_await bight::when_all(read(), look());
        CHECK(on.reactor().statistics().live_timers == 0);
    });
}
