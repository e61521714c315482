// The ten races of cancellation with nothing but bight: on each demultiplexer of this machine, and on
// simulated hosts of each personality. races_test.cpp has those that need a raw socket, or a thread.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/thread/on.hpp>
#include <bight/thread/runtime.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

using bight::stream;
using bight::task;
using namespace std::chrono_literals;
using test::connected_pair;
using test::pattern;

namespace {

template <class F>
void on_each_personality(F body, const bight::reactor_options& options = {}) {
    const auto kind = GENERATE(from_range(test::reactors_and_personalities()));
    CAPTURE(kind);
    test::reactor_fixture on(kind, options);
    on.run([&] { return body(on.reactor()); });
}

template <class F>
void on_each_family(F body) {
    const auto family = GENERATE(from_range(test::those_here({test::family::tcp, test::family::unix_path})));
    CAPTURE(family);
    on_each_personality([&](bight::reactor&) { return body(family); });
}

bight::reactor_options small_queues() {
    bight::reactor_options options;
    options.submission_entries = 4;
    options.receive_buffers = 4;
    return options;
}

task<std::vector<test::stream_pair>> pairs_of(test::family f, std::size_t count) {
    std::vector<test::stream_pair> pairs;
    for (std::size_t i = 0; i < count; ++i) {
        auto pair = co_await connected_pair(f);
        pairs.push_back(std::move(pair));
    }
    co_return pairs;
}

// Reads one piece into `got`; no await between the result and its use.
task<> read_into(stream& from, std::string& got) {
    const auto chunk = co_await from.read_some();
    got += chunk.view();
}

task<> turns(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) co_await bight::yield();
}

}  // namespace

TEST_CASE("race 1, anywhere: more cancellations at once than any queue holds") {
    on_each_personality(
        [](bight::reactor&) -> task<> {
            auto pairs = co_await pairs_of(test::family::tcp, 40);
            for (int round = 0; round < 3; ++round) {
                auto body = [&](bight::group& g) -> task<> {
                    for (auto& pair : pairs) {
                        auto read = [&pair]() -> task<> { co_await pair.server.read_some(); };
                        g.spawn(read);
                    }
                    co_await bight::yield();
                    if (round > 0) co_await bight::sleep_for(1ms);
                    g.cancel();
                };
                co_await bight::with_group(body);
            }
            for (auto& pair : pairs) {
                co_await pair.client.write("x");
                std::string got;
                co_await read_into(pair.server, got);
                CHECK(got == "x");
            }
        },
        small_queues());
}

TEST_CASE("race 2, anywhere: ending some connections leaves what has arrived for the others") {
    on_each_family([](test::family f) -> task<> {
        auto pairs = co_await pairs_of(f, 10);
        std::vector<std::string> got(pairs.size());
        auto body = [&](bight::group& g) -> task<> {
            for (std::size_t i = 0; i < pairs.size(); ++i) {
                auto read = [&pairs, &got, i]() -> task<> {
                    const auto chunk = co_await bight::as_result(pairs[i].server.read_some());
                    if (chunk) got[i] = chunk->view();
                };
                g.spawn(read);
            }
            co_await bight::yield();
            for (auto& pair : pairs) co_await pair.client.write("x");
            for (std::size_t i = 0; i < pairs.size(); i += 2) pairs[i].server.abort();
        };
        co_await bight::with_group(body);
        for (std::size_t i = 1; i < pairs.size(); i += 2) CHECK(got[i] == "x");
    });
}

TEST_CASE("race 3, anywhere: a receive that completed wins over its cancellation") {
    on_each_family([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        constexpr std::size_t rounds = 100;
        std::string got;
        for (std::size_t i = 0; i < rounds; ++i) {
            auto send = [&]() -> task<> {
                co_await turns(i % 4);
                co_await pair.client.write(pattern(i, 1));
                if (i % 3 == 0) co_await bight::sleep_for(50us);
            };
            co_await bight::when_any(send(), read_into(pair.server, got));
        }
        co_await pair.client.shutdown_write();
        const std::string rest = co_await test::read_all(pair.server);
        got += rest;
        // Who was first is not said: a write that was cancelled has sent its byte, or has not.
        CHECK(got.size() <= rounds);
        CHECK(got.size() >= rounds / 2);
    });
}

TEST_CASE("race 4, anywhere: connections accepted together keep their own peers") {
    on_each_personality([](bight::reactor&) -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const std::string where = test::endpoint_to(l.local());
        std::vector<stream> clients;
        for (int i = 0; i < 30; ++i) {
            stream client = co_await bight::connect(where);
            co_await client.write(client.local().to_string());
            co_await client.shutdown_write();
            clients.push_back(std::move(client));
        }
        for (int i = 0; i < 30; ++i) {
            stream s = co_await l.accept();
            const std::string name = co_await test::read_all(s);
            CHECK(s.peer().to_string() == name);
        }
    });
}

TEST_CASE(
    "race 5, anywhere: a cancellation by another reactor is a message, and what completes meanwhile is "
    "kept") {
    const auto kind = GENERATE(from_range(test::reactors_and_personalities()));
    CAPTURE(kind);
    const test::environment_variable chosen(
        "BIGHT_REACTOR", kind.seed ? kind.variable() : std::string(test::name_of(kind.kind)));
    constexpr std::size_t rounds = 60;
    const test::family local = test::those_here({test::family::unix_path, test::family::tcp}).front();
    std::string got;
    {
        bight::runtime_options options;
        options.reactors = 2;
        bight::runtime cores(options);
        bight::group* current = nullptr;  // of the first reactor
        auto cancel = [&] {
            cores.reactor(0).post([&] {
                if (current) current->cancel();
            });
        };
        auto first = [&]() -> task<> {
            auto pair = co_await connected_pair(local);
            for (std::size_t round = 0; round < rounds; ++round) {
                auto ask_other = [&, round]() -> task<> {
                    // Asked for before, while and after the byte is sent.
                    if (round % 3 == 0) cores.reactor(1).post([&] { cancel(); });
                    co_await pair.client.write(pattern(round, 1));
                    if (round % 3 == 1) cores.reactor(1).post([&] { cancel(); });
                    co_await bight::yield();
                    if (round % 3 == 2) cores.reactor(1).post([&] { cancel(); });
                };
                auto body = [&](bight::group& g) -> task<> {
                    current = &g;
                    auto read = [&]() -> task<> { co_await read_into(pair.server, got); };
                    g.spawn(read);
                    co_await bight::shield(ask_other(), 10s);
                    co_await bight::sleep_for(1h);  // until it is cancelled
                };
                co_await bight::with_group(body);
                current = nullptr;
            }
            co_await pair.client.shutdown_write();
            const std::string rest = co_await test::read_all(pair.server);
            got += rest;
            cores.stop();
        };
        (void)cores.run([&](std::size_t index) -> task<> {
            if (index == 0) co_await first();
            if (index > 0) co_await bight::sleep_for(1h);  // it takes posted calls
        });
    }
    CHECK((got == pattern(0, rounds)));
}

TEST_CASE("race 6, anywhere: a time-out that is due with the completion leaves no timer, and loses nothing") {
    on_each_family([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        constexpr std::size_t rounds = 60;
        std::string got;
        for (std::size_t i = 0; i < rounds; ++i) {
            auto write = [&]() -> task<> {
                co_await bight::sleep_for(1ms);
                co_await pair.client.write(pattern(i, 1));
            };
            auto read = [&]() -> task<> {
                const bool in_time = co_await bight::try_with_timeout(read_into(pair.server, got), 1ms);
                (void)in_time;
            };
            co_await bight::when_all(write(), read());
        }
        co_await pair.client.shutdown_write();
        const std::string rest = co_await test::read_all(pair.server);
        got += rest;
        CHECK((got == pattern(0, rounds)));
        CHECK(bight::reactor::current()->statistics().live_timers == 0);
    });
}

TEST_CASE("race 7, anywhere: memory lent to a cancelled read, or write, is untouched once that has ended") {
    on_each_family([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        for (std::size_t i = 0; i < 30; ++i) {
            std::optional<std::string> memory(std::in_place, 64, '-');
            std::size_t got = 0;
            auto read = [&]() -> task<> {
                got = co_await pair.server.read_some(bight::mutable_buffer(*memory));
            };
            co_await bight::when_any(turns(i % 3), read());
            CHECK(got == 0);
            co_await pair.client.write("late");
            co_await bight::sleep_for(1ms);
            CHECK(*memory == std::string(64, '-'));
            memory.reset();
            std::string late(4, '\0');
            co_await pair.server.read_exactly(late);
            CHECK(late == "late");
        }
        auto large = std::make_optional<std::string>(16U << 20, 'w');
        auto write = [&]() -> task<> { co_await pair.client.write(*large); };
        const bool done = co_await bight::try_with_timeout(write(), 5ms);
        CHECK_FALSE(done);
        large.reset();
        pair.client.abort();
        std::string all;
        for (;;) {
            const auto chunk = co_await bight::as_result(pair.server.read_some());
            if (!chunk || chunk->empty()) break;
            all += chunk->view();
        }
        CHECK(all.find_first_not_of('w') == std::string::npos);
    });
}

TEST_CASE("race 8, anywhere: a burst of connections and of bytes is served, each once and in order") {
    on_each_personality(
        [](bight::reactor&) -> task<> {
            bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
            const std::string where = test::endpoint_to(l.local());
            constexpr std::size_t count = 60;
            std::vector<std::string> got(count);
            auto body = [&](bight::group& g) -> task<> {
                for (std::size_t i = 0; i < count; ++i) {
                    auto send = [&where, i]() -> task<> {
                        stream s = co_await bight::connect(where);
                        std::string text(1, static_cast<char>('0' + i));
                        text += pattern(i, 20'000);
                        co_await s.write(text);
                        co_await s.close();
                    };
                    g.spawn(send);
                }
                for (std::size_t i = 0; i < count; ++i) {
                    stream s = co_await l.accept();
                    auto receive = [&got](stream from) -> task<> {
                        const std::string all = co_await test::read_all(from);
                        got.at(static_cast<std::size_t>(all.at(0) - '0')) += all.substr(1);
                    };
                    g.spawn(receive, std::move(s));
                }
            };
            co_await bight::with_group(body);
            for (std::size_t i = 0; i < count; ++i) CHECK((got[i] == pattern(i, 20'000)));
        },
        small_queues());
}

TEST_CASE("race 9, anywhere: a permit that was granted as bytes came, and cancelled, is given back or used") {
    on_each_family([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        bight::semaphore permits(0);
        std::size_t used = 0;
        constexpr std::size_t rounds = 40;
        for (std::size_t i = 0; i < rounds; ++i) {
            auto give = [&]() -> task<> {
                const auto chunk = co_await pair.server.read_some();
                permits.release();
            };
            auto take = [&]() -> task<> {
                co_await permits.acquire();
                ++used;
            };
            auto send = [&]() -> task<> {
                co_await pair.client.write("x");
                co_await turns(i % 4);
            };
            auto both = [&]() -> task<> { co_await bight::when_any(send(), take()); };
            co_await bight::when_all(give(), both());
        }
        CHECK(used + permits.available() == rounds);
    });
}

TEST_CASE("race 10, anywhere: a late cancellation does not hit the next read of the same stream") {
    on_each_family([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        for (std::size_t i = 0; i < 60; ++i) {
            auto cancelled = [&]() -> task<> { co_await pair.server.read_some(); };
            co_await bight::when_any(turns(i % 4), cancelled());
            std::string got;
            auto write = [&]() -> task<> { co_await pair.client.write("next"); };
            co_await bight::when_all(read_into(pair.server, got), write());
            CHECK(got == "next");
        }
    });
}
