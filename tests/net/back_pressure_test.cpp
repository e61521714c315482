// Peers that do not read, tasks that do not read, and peers that write all the time.
#include "much_room.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/each_connection.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

using bight::task;
using test::connected_pair;
using test::connected_to_raw;
using test::pattern;

TEST_CASE("a write to a peer that does not read suspends until it reads") {
    test::on_each_socket([](test::family f) -> task<> {
        auto pair = co_await connected_pair(f);
        const std::string large = pattern(0, 16U << 20);
        bool written = false;
        auto write = [&]() -> task<> {
            co_await pair.client.write(large);
            written = true;
            co_await pair.client.close();
        };
        auto read = [&]() -> task<std::string> {
            // A round trip of another connection: the reactor goes on meanwhile, and has polled since.
            auto other = co_await connected_pair(f);
            for (int i = 0; i < 100; ++i) {
                co_await other.client.write("ping");
                const auto ping = co_await other.server.read_some();
                CHECK(ping.view() == "ping");
            }
            CHECK_FALSE(written);
            co_return co_await test::read_all(pair.server);
        };
        const auto [nothing, all] = co_await bight::when_all(write(), read());
        (void)nothing;
        CHECK(written);
        CHECK((all == large));
    });
}

TEST_CASE("bytes that no task reads stay with the sender, and the other connections go on") {
    test::on_each_real_socket([](test::family f) -> task<> {
        auto pair = co_await connected_to_raw(f);
        // io_uring receives ahead once somebody has read.
        pair.raw.send("x");
        const auto first = co_await pair.stream.read_some();
        CHECK(first.view() == "x");

        auto other = co_await connected_pair(f);
        const std::string part(1U << 16, 'y');
        std::size_t taken = 0;
        int stalls = 0;
        // Until the peer could send nothing while a hundred round trips went by: that must come, at a bounded
        // size.
        while (stalls < 100) {
            const auto sent = ::send(pair.raw.get(), part.data(), part.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent > 0) {
                taken += static_cast<std::size_t>(sent);
                stalls = 0;
            } else {
                ++stalls;
            }
            REQUIRE(taken < (64U << 20));
            co_await other.client.write("ping");
            const auto ping = co_await other.server.read_some();
            CHECK(ping.view() == "ping");
        }
        // Everything that was taken is there, in order, when somebody reads.
        pair.raw.close();
        const std::string all = co_await test::read_all(pair.stream);
        CHECK(all.size() == taken);
        CHECK(all.find_first_not_of('y') == std::string::npos);
    });
}

TEST_CASE("a task that stops reading in the middle goes on where it was") {
    test::on_each_socket([](test::family f) -> task<> {
        constexpr std::size_t total = 4U << 20;
        auto pair = co_await connected_pair(f);
        auto write = [&]() -> task<> {
            for (std::size_t at = 0; at < total; at += 4096) {
                const std::string text = pattern(at, 4096);
                co_await pair.client.write(text);
            }
            co_await pair.client.close();
        };
        auto read = [&]() -> task<> {
            std::size_t at = 0;
            int pauses = 0;
            for (;;) {
                const auto chunk = co_await pair.server.read_some();
                if (!chunk) break;
                if (chunk.view() != pattern(at, chunk.size())) FAIL("bytes changed at " << at);
                at += chunk.size();
                if (pauses < 10 && at > total / 20 * static_cast<std::size_t>(pauses + 1)) {
                    ++pauses;
                    co_await bight::sleep_for(std::chrono::milliseconds(2));
                }
            }
            CHECK(at == total);
        };
        co_await bight::when_all(write(), read());
    });
}

TEST_CASE("a peer that writes all the time does not starve another connection") {
    test::on_each_socket([](test::family f) -> task<> {
        auto hot = co_await connected_pair(f);
        auto quiet = co_await connected_pair(f);
        bool done = false;
        const std::string part(1U << 16, 'h');
        auto pour = [&]() -> task<> {
            while (!done) co_await hot.client.write(part);
            co_await hot.client.close();
        };
        auto drain = [&]() -> task<> {
            while (auto chunk = co_await hot.server.read_some()) {
            }
        };
        auto converse = [&]() -> task<> {
            for (int i = 0; i < 200; ++i) {
                co_await quiet.client.write("x");
                const auto chunk = co_await quiet.server.read_some();
                CHECK(chunk.view() == "x");
            }
            done = true;
        };
        co_await bight::when_all(pour(), drain(), converse());
    });
}

TEST_CASE("a closed connection whose peer has sent megabytes throws them away a part at a time") {
    bool possible = false;
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_to_raw(test::family::tcp);
        possible = test::give_much_room(pair.stream.native_handle());
        if (!possible) co_return;
        const test::raw_socket same(::dup(pair.stream.native_handle()));
        pair.raw.send(std::string(std::size_t{3} << 20, 'x'));
        test::wait_until_arrived(pair.raw.get());
        int unread = 0;
        REQUIRE(::ioctl(same.get(), FIONREAD, &unread) == 0);
        pair.stream = bight::stream();
        int most = 0;
        for (int left = unread; left > 0;) {
            co_await bight::yield();
            const int before = std::exchange(left, 0);
            REQUIRE(::ioctl(same.get(), FIONREAD, &left) == 0);
            most = std::max(most, before - left);
        }
        CHECK(most <= 1 << 20);
    });
    if (!possible) test::skip(test::no_much_room);
}

TEST_CASE("who closes reads on although all buffers are lent, and its peer may write before it reads") {
    bight::reactor_options options;
    options.receive_buffers = 4;
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())), options);
    on.run([&]() -> task<> {
        auto other = co_await connected_pair(test::family::tcp);
        std::vector<bight::chunk> kept;
        for (unsigned i = 0; i < options.receive_buffers; ++i) {
            co_await other.client.write("x");
            kept.push_back(co_await other.server.read_some());
        }
        auto pair = co_await connected_pair(test::family::tcp);
        const std::string answer = pattern(1, 16U << 20);
        auto close = [&]() -> task<> {
            bight::outbox out(pair.server);
            CHECK(out.send(answer));  // an empty outbox takes one message always
            co_await pair.server.close();
        };
        auto ask = [&]() -> task<std::string> {
            co_await pair.client.write(pattern(0, 16U << 20));
            std::string all = co_await test::read_all(pair.client);
            co_await pair.client.close();
            co_return all;
        };
        const auto [nothing, all] = co_await bight::when_all(close(), ask());
        (void)nothing;
        CHECK((all == answer));
    });
}
