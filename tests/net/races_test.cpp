// Cancellation against completion: what must hold whichever comes first.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/each_connection.hpp"
#include "support/reactors.hpp"
#include "support/thread_count.hpp"

#include <bight/bight.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using bight::errc;
using bight::stream;
using bight::task;
using test::connected_pair;
using test::connected_to_raw;
using test::error_of;
using test::pattern;

TEST_CASE("race 1: cancelling needs no room in the submission queue") {
    const auto kind = GENERATE(from_range(test::reactors()));
    CAPTURE(kind);
    bight::reactor_options options;
    options.submission_entries = 4;
    options.receive_buffers = 4;
    test::reactor_fixture on(kind, options);
    on.run([&]() -> task<> {
        std::vector<test::stream_pair> pairs;
        for (int i = 0; i < 50; ++i) {
            auto pair = co_await connected_pair(test::family::tcp);
            pairs.push_back(std::move(pair));
        }
        for (int round = 0; round < 3; ++round) {
            co_await bight::with_group([&](bight::group& g) -> task<> {
                for (auto& pair : pairs) {
                    g.spawn([&pair]() -> task<> { co_await pair.server.read_some(); });
                }
                co_await bight::yield();
                if (round > 0) co_await bight::sleep_for(std::chrono::milliseconds(1));
                g.cancel();
            });
        }
        for (auto& pair : pairs) {
            co_await pair.client.write("x");
            const auto chunk = co_await pair.server.read_some();
            CHECK(chunk.view() == "x");
        }
    });
}

TEST_CASE("race 2: ending one connection leaves what has arrived for the others") {
    test::on_each_socket([](test::family f) -> task<> {
        std::vector<test::stream_pair> pairs;
        for (int i = 0; i < 10; ++i) {
            auto pair = co_await connected_pair(f);
            pairs.push_back(std::move(pair));
        }
        std::vector<std::string> got(pairs.size());
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (std::size_t i = 0; i < pairs.size(); ++i) {
                g.spawn([&, i]() -> task<> {
                    auto chunk = co_await bight::as_result(pairs[i].server.read_some());
                    if (chunk) got[i] = chunk->view();
                });
            }
            co_await bight::yield();
            for (auto& pair : pairs) co_await pair.client.write("x");
            for (std::size_t i = 0; i < pairs.size(); i += 2) pairs[i].server.abort();
        });
        for (std::size_t i = 1; i < pairs.size(); i += 2) CHECK(got[i] == "x");
    });
}

TEST_CASE("race 3: a receive that completed wins over its cancellation") {
    test::on_each_real_socket([](test::family f) -> task<> {
        auto pair = co_await connected_to_raw(f);
        std::string got;
        constexpr std::size_t total = 200;
        std::size_t sent = 0;
        while (sent < total) {
            auto read = [&]() -> task<> {
                const auto chunk = co_await pair.stream.read_some();
                got += chunk.view();  // no await between the result and its use: nothing may be lost
            };
            auto send = [&]() -> task<> {
                for (std::size_t turn = 0; turn < sent % 4; ++turn) co_await bight::yield();
                pair.raw.send(pattern(sent++, 1));
                if (sent % 3 == 0) co_await bight::sleep_for(std::chrono::microseconds(50));
            };
            co_await bight::when_any(send(), read());
        }
        pair.raw.close();
        const std::string rest = co_await test::read_all(pair.stream);
        got += rest;
        CHECK((got == pattern(0, sent)));
    });
}

TEST_CASE("race 3: a read that completed at its time-out is delivered or left for the next read") {
    test::on_each_socket([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        std::string got;
        auto write = [&]() -> task<> {
            for (std::size_t i = 0; i < 300; ++i) {
                const std::string byte = pattern(i, 1);
                co_await pair.client.write(byte);
                co_await bight::yield();
            }
            co_await pair.client.close();
        };
        auto read = [&]() -> task<> {
            for (;;) {
                auto chunk =
                    co_await bight::try_with_timeout(pair.server.read_some(), std::chrono::nanoseconds(1));
                if (!chunk) continue;
                if (chunk->empty()) break;
                got += chunk->view();
            }
        };
        co_await bight::when_all(write(), read());
        CHECK((got == pattern(0, 300)));
    });
}

TEST_CASE("race 4: connections accepted together keep their own peers") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        std::vector<test::raw_socket> clients;
        for (int i = 0; i < 50; ++i) {
            clients.push_back(test::raw_connect(l.local()));
            sockaddr_storage a{};
            socklen_t size = sizeof a;
            ::getsockname(clients.back().get(), reinterpret_cast<sockaddr*>(&a), &size);
            clients.back().send(bight::address::from_native(&a, size).to_string());
            clients.back().close();
        }
        for (int i = 0; i < 50; ++i) {
            stream s = co_await l.accept();
            const std::string name = co_await test::read_all(s);
            CHECK(s.peer().to_string() == name);
        }
    });
}

TEST_CASE("race 5: a cancellation from another thread is a message, and what completes meanwhile is kept") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto family = GENERATE(from_range(test::those_here({test::family::tcp, test::family::unix_path})));
    CAPTURE(kind, family);
    constexpr int rounds = 300;
    test::reactor_fixture on(kind);
    std::string got;
    on.run([&]() -> task<> {
        const test::temporary_directory directory;
        bight::listener l = bight::listen(test::new_endpoint(family, directory));
        const bight::address where = l.local();
        auto pair = co_await connected_to_raw(family);
        bight::group* current = nullptr;
        std::vector<test::raw_socket> clients;
        std::vector<stream> accepted;
        test::thread_count allowed;
        // Completes a read and an accept, and asks for the cancellation of both, in changing order.
        std::thread other([&] {
            for (int round = 0; round < rounds; ++round) {
                allowed.wait_until(round + 1);
                const auto cancel = [&] { on.reactor().post([&] { current->cancel(); }); };
                if (round % 3 == 0) cancel();
                pair.raw.send(pattern(static_cast<std::size_t>(round), 1));
                if (round % 3 == 1) cancel();
                clients.push_back(test::raw_connect(where));
                if (round % 3 == 2) cancel();
            }
        });
        for (int round = 0; round < rounds; ++round) {
            co_await bight::with_group([&](bight::group& g) -> task<> {
                current = &g;
                g.spawn([&]() -> task<> {
                    const auto chunk = co_await pair.stream.read_some();
                    got += chunk.view();
                });
                g.spawn([&]() -> task<> {
                    stream s = co_await l.accept();
                    accepted.push_back(std::move(s));
                });
                co_await bight::yield();
                allowed.add();
                co_await bight::sleep_for(std::chrono::hours(1));  // until it is cancelled
            });
        }
        other.join();
        pair.raw.close();
        const std::string rest = co_await test::read_all(pair.stream);
        got += rest;
        while (accepted.size() < clients.size()) {
            stream s = co_await l.accept();
            accepted.push_back(std::move(s));
        }
        const auto one_more = co_await bight::try_with_timeout(l.accept(), std::chrono::milliseconds(1));
        CHECK_FALSE(one_more.has_value());
    });
    CHECK((got == pattern(0, rounds)));
}

TEST_CASE("race 5: a stop from another thread while an operation completes loses nothing") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    constexpr std::size_t rounds = 200;
    test::reactor_fixture on(kind);
    std::optional<test::half_pair> pair;
    on.run([&]() -> task<> {
        auto made = co_await connected_to_raw(test::family::tcp);
        pair.emplace(std::move(made));
    });
    std::string got;
    const auto run_until_stopped = [&](auto make) {
        try {
            on.run(make);
        } catch (const bight::run_cancelled&) {
        }
    };
    for (std::size_t round = 0; round < rounds; ++round) {
        std::thread other([&] {
            if (round % 2) on.reactor().stop();
            pair->raw.send(pattern(round, 1));
            if (round % 2 == 0) on.reactor().stop();
        });
        run_until_stopped([&]() -> task<> {
            for (;;) {
                const auto chunk = co_await pair->stream.read_some();
                got += chunk.view();
            }
        });
        other.join();
    }
    pair->raw.close();
    on.run([&]() -> task<> {
        const std::string rest = co_await test::read_all(pair->stream);
        got += rest;
    });
    CHECK((got == pattern(0, rounds)));
    pair.reset();
}

TEST_CASE("race 7: memory lent to a cancelled read is untouched once the read has ended") {
    test::on_each_real_socket([](test::family f) -> task<> {
        auto pair = co_await connected_to_raw(f);
        for (int i = 0; i < 50; ++i) {
            std::optional<std::string> memory(std::in_place, 64, '-');
            bool got = false;
            auto read = [&]() -> task<> {
                co_await pair.stream.read_some(bight::mutable_buffer(*memory));
                got = true;
            };
            auto cancel = [&]() -> task<> {
                for (int turn = 0; turn < i % 3; ++turn) co_await bight::yield();
            };
            co_await bight::when_any(cancel(), read());
            CHECK_FALSE(got);
            pair.raw.send("late");
            co_await bight::yield();
            CHECK(*memory == std::string(64, '-'));
            memory.reset();
            std::string late(4, '\0');
            co_await pair.stream.read_exactly(late);
            CHECK(late == "late");
        }
    });
}

TEST_CASE("race 7: a cancelled write no longer needs its bytes, and the stream can be ended") {
    test::on_each_real_socket([](test::family f) -> task<> {
        auto pair = co_await connected_to_raw(f);
        auto large = std::make_optional<std::string>(16U << 20, 'w');
        auto write = [&]() -> task<> { co_await pair.stream.write(*large); };
        const bool done = co_await bight::try_with_timeout(write(), std::chrono::milliseconds(5));
        CHECK_FALSE(done);
        large.reset();
        pair.stream.abort();
        const std::string got = pair.raw.receive_all();
        CHECK(got.find_first_not_of('w') == std::string::npos);
    });
}

TEST_CASE("race 10: a late cancellation does not hit the next read of the same stream") {
    test::on_each_socket([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        for (int i = 0; i < 100; ++i) {
            auto cancelled = [&]() -> task<> { co_await pair.server.read_some(); };
            auto cancel = [&]() -> task<> {
                for (int turn = 0; turn < i % 4; ++turn) co_await bight::yield();
            };
            co_await bight::when_any(cancel(), cancelled());
            // At once, while the answer to the cancellation may still be on its way.
            auto read = [&]() -> task<std::string> {
                const auto chunk = co_await pair.server.read_some();
                co_return chunk.to_string();
            };
            auto write = [&]() -> task<> { co_await pair.client.write("next"); };
            const auto [text, nothing] = co_await bight::when_all(read(), write());
            (void)nothing;
            CHECK(text == "next");
        }
    });
}

TEST_CASE("a connection that another task aborts gets no result that was queued for it") {
    test::on_each_real_socket([](test::family f) -> task<> {
        // Bytes for both come in one poll; whoever runs first aborts the other.
        auto one = co_await connected_to_raw(f);
        auto two = co_await connected_to_raw(f);
        int got = 0;
        int aborted = 0;
        auto read = [&](stream& mine, stream& other) -> task<> {
            auto chunk = co_await bight::as_result(mine.read_some());
            if (!chunk) {
                CHECK(chunk.error() == errc::aborted);
                ++aborted;
                co_return;
            }
            ++got;
            other.abort();
        };
        auto send = [&]() -> task<> {
            co_await bight::sleep_for(std::chrono::milliseconds(1));
            one.raw.send("x");
            two.raw.send("x");
        };
        co_await bight::when_all(read(one.stream, two.stream), read(two.stream, one.stream), send());
        CHECK(got >= 1);
        CHECK(got + aborted == 2);
    });
}

TEST_CASE("a descriptor that is used again does not get what was meant for its former owner") {
    test::on_each_real_socket([](test::family f) -> task<> {
        for (int i = 0; i < 20; ++i) {
            auto old = co_await connected_to_raw(f);
            const int fd = old.stream.native_handle();
            auto read = [&]() -> task<> {
                const auto error = co_await error_of(old.stream.read_some());
                CHECK(error == errc::aborted);
            };
            auto replace = [&]() -> task<> {
                old.stream.abort();
                old.raw.close();
                auto fresh = co_await connected_pair(f);
                co_await fresh.client.write("fresh");
                const auto chunk = co_await fresh.server.read_some();
                CHECK(chunk.view() == "fresh");
                const bool reused = fresh.client.native_handle() == fd || fresh.server.native_handle() == fd;
                (void)reused;
            };
            co_await bight::when_all(read(), replace());
        }
    });
}
