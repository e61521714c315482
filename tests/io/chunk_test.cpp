// Chunks: views of received bytes, and the loan of the buffers beneath them.
#include <bight/io/chunk.hpp>

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using bight::chunk;
using bight::task;
using namespace std::chrono_literals;

namespace {

// A block that notes how often it was given back.
struct counted_block : bight::detail::buffer_block {
    counted_block() {
        release = [](bight::detail::buffer_block& b) noexcept { ++static_cast<counted_block&>(b).returned; };
    }
    char bytes[8] = {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'};
    int returned = 0;
};

}  // namespace

TEST_CASE("a chunk without bytes is empty and false") {
    const chunk none;
    CHECK(none.empty());
    CHECK_FALSE(static_cast<bool>(none));
    CHECK(none.size() == 0);
    CHECK(none.view().empty());
    CHECK(chunk::copy_of("").empty());
}

TEST_CASE("a chunk gives its buffer back once, when it is dropped") {
    counted_block block;
    {
        chunk first(block, block.bytes, 8);
        chunk second(std::move(first));
        CHECK(first.empty());
        CHECK(second.view() == "abcdefgh");
        chunk third;
        third = std::move(second);
        auto& same = third;
        third = std::move(same);
        CHECK(third.view() == "abcdefgh");
        CHECK(block.returned == 0);
    }
    CHECK(block.returned == 1);
}

TEST_CASE("assigning to a chunk gives its former buffer back") {
    counted_block one;
    counted_block two;
    chunk c(one, one.bytes, 8);
    c = chunk(two, two.bytes, 8);
    CHECK(one.returned == 1);
    CHECK(two.returned == 0);
    c.reset();
    CHECK(two.returned == 1);
    CHECK(c.empty());
    c.reset();
    CHECK(two.returned == 1);
}

TEST_CASE("a chunk is cut from both ends") {
    counted_block block;
    chunk c(block, block.bytes, 8);
    c.remove_prefix(2);
    CHECK(c.view() == "cdefgh");
    c.truncate(3);
    CHECK(c.view() == "cde");
    CHECK(c.to_string() == "cde");
    CHECK(std::string(c.begin(), c.end()) == "cde");
    CHECK(c.bytes().size() == 3);
    const bight::const_buffer buffer = c;
    CHECK(buffer.data == static_cast<const void*>(block.bytes + 2));
    CHECK(buffer.size == 3);
    c.remove_prefix(3);
    CHECK(c.empty());
    CHECK(block.returned == 0);
}

TEST_CASE("a copied chunk owns its bytes") {
    std::string text = "text";
    const chunk copy = chunk::copy_of(text);
    text = "gone";
    CHECK(copy.view() == "text");
}

TEST_CASE("a received chunk keeps its bytes while others come") {
    const auto kind = GENERATE(from_range(test::reactors()));
    const auto family = GENERATE(from_range(test::families()));
    CAPTURE(kind, family);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(family);
        std::vector<chunk> kept;
        for (std::size_t i = 0; i < 100; ++i) {
            const std::string text = test::pattern(i * 10, 10);
            co_await pair.client.write(text);
            auto chunk = co_await pair.server.read_some();
            kept.push_back(std::move(chunk));
        }
        for (std::size_t i = 0; i < kept.size(); ++i) CHECK((kept[i].view() == test::pattern(i * 10, 10)));
    });
}

TEST_CASE("chunks that are kept use up the reactor's buffers, and reading goes on") {
    const auto kind = GENERATE(from_range(test::reactors()));
    CAPTURE(kind);
    bight::reactor_options options;
    options.receive_buffers = 4;
    test::reactor_fixture on(kind, options);
    on.run([&]() -> task<> {
        auto hoarder = co_await test::connected_pair(test::family::tcp);
        auto other = co_await test::connected_pair(test::family::tcp);
        std::vector<chunk> kept;
        for (std::size_t i = 0; i < 50; ++i) {
            const std::string text = test::pattern(i * 10, 10);
            co_await hoarder.client.write(text);
            auto chunk = co_await hoarder.server.read_some();
            kept.push_back(std::move(chunk));
            // Another connection, and reads into memory, are served all the same.
            co_await other.client.write("ping");
            const auto ping = co_await other.server.read_some();
            CHECK(ping.view() == "ping");
            co_await other.client.write("pong");
            std::string pong(4, '\0');
            co_await other.server.read_exactly(pong);
            CHECK(pong == "pong");
        }
        for (std::size_t i = 0; i < kept.size(); ++i) CHECK((kept[i].view() == test::pattern(i * 10, 10)));
        // All are counted, those beyond the reactor's buffers, and those that come home from another thread.
        const auto live = [] { return bight::reactor::current()->statistics().live_buffers; };
        CHECK(live() == 50);
        std::thread([last = std::vector<chunk>(std::make_move_iterator(kept.begin() + 30),
                                               std::make_move_iterator(kept.end()))] {
        }).join();
        kept.resize(30);
        CHECK(live() == 30);
        kept.clear();
        CHECK(live() == 0);
        const std::string large = test::pattern(5, 1U << 20);
        auto write = [&]() -> task<> {
            co_await hoarder.client.write(large);
            co_await hoarder.client.close();
        };
        const auto [nothing, all] = co_await bight::when_all(write(), test::read_all(hoarder.server));
        (void)nothing;
        CHECK((all == large));
    });
}

TEST_CASE("many connections share few buffers") {
    const auto kind = GENERATE(from_range(test::reactors()));
    CAPTURE(kind);
    bight::reactor_options options;
    options.receive_buffers = 2;
    test::reactor_fixture on(kind, options);
    on.run([&]() -> task<> {
        constexpr std::size_t count = 20;
        const std::string text = test::pattern(0, 100000);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (std::size_t i = 0; i < count; ++i) {
                g.spawn([&]() -> task<> {
                    auto pair = co_await test::connected_pair(test::family::tcp);
                    auto write = [&]() -> task<> {
                        co_await pair.client.write(text);
                        co_await pair.client.close();
                    };
                    const auto [nothing, all] =
                        co_await bight::when_all(write(), test::read_all(pair.server));
                    (void)nothing;
                    CHECK((all == text));
                });
            }
            co_return;
        });
    });
}

TEST_CASE("a chunk outlives its stream and its reactor") {
    const auto kind = GENERATE(from_range(test::reactors()));
    CAPTURE(kind);
    chunk kept;
    {
        test::reactor_fixture on(kind);
        on.run([&]() -> task<> {
            auto pair = co_await test::connected_pair(test::family::tcp);
            co_await pair.client.write("kept");
            kept = co_await pair.server.read_some();
        });
        on.keeps_buffers(1);
    }
    CHECK(kept.view() == "kept");
    chunk moved = std::move(kept);
    CHECK(moved.view() == "kept");
}

TEST_CASE("chunks and payloads that are given to threads come home from there, and reading goes on") {
    const auto kind = GENERATE(from_range(test::reactors()));
    CAPTURE(kind);
    bight::reactor_options options;
    options.receive_buffers = 8;
    test::reactor_fixture on(kind, options);
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(test::family::tcp);
        constexpr std::size_t rounds = 300;
        constexpr std::size_t size = 1000;
        std::atomic<std::size_t> seen{0};
        auto write = [&]() -> task<> {
            for (std::size_t i = 0; i < rounds; ++i) {
                const std::string text = test::pattern(i * size, size);
                co_await pair.client.write(text);
            }
            co_await pair.client.close();
        };
        auto read = [&](bight::group& g) -> task<> {
            while (auto c = co_await pair.server.read_some()) {
                auto use = [&](chunk bytes) -> task<> {
                    const bight::payload copy(bytes);
                    auto parse = [&seen, bytes = std::move(bytes), copy] {
                        const chunk mine = chunk::copy_of(copy);
                        if (mine.view() == bytes.view()) seen += bytes.size();
                    };
                    co_await bight::offload(std::move(parse));
                };
                g.spawn(use, std::move(c));
                while (g.size() > 20) co_await bight::sleep_for(100us);
            }
        };
        co_await bight::when_all(write(), bight::with_group(read));
        CHECK(seen == rounds * size);
    });
}

TEST_CASE("the last chunks of a reactor are dropped on another thread while it is destroyed") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    constexpr std::size_t count = 40;
    bight::reactor_options options;
    options.demultiplexer = kind;
    options.receive_buffers = 16;
    std::vector<chunk> kept;
    std::atomic<bool> go{false};
    bool same = true;
    std::thread drops([&] {
        while (!go) std::this_thread::yield();
        while (!kept.empty()) {
            same = same && kept.back().view() == "kept";
            kept.pop_back();
        }
    });
    {
        bight::reactor r(options);
        auto fill = [&]() -> task<> {
            auto pair = co_await test::connected_pair(test::family::tcp);
            for (std::size_t i = 0; i < count; ++i) {
                co_await pair.client.write("kept");
                chunk one = co_await pair.server.read_some();
                kept.push_back(std::move(one));
            }
        };
        r.run(fill());
        go = true;
    }
    drops.join();
    CHECK(same);
}
