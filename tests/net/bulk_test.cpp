// Data that comes faster than it is read: receives grow with it, within their limits.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using bight::chunk;
using bight::task;
using test::connected_to_raw;
using test::half_pair;
using test::pattern;

namespace {

constexpr std::size_t kib = 1024;

// A plain socket that keeps its peer's receive buffer full.
class firehose {
  public:
    explicit firehose(int fd, std::size_t size) : fd_(fd), left_(pattern(0, size)) {}
    void fill() {
        while (!done()) {
            const ssize_t sent =
                ::send(fd_, left_.data() + sent_, left_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent <= 0) break;
            sent_ += static_cast<std::size_t>(sent);
        }
    }
    bool done() const { return sent_ == left_.size(); }

  private:
    int fd_;
    std::string left_;
    std::size_t sent_ = 0;
};

// Reads `size` bytes; gives the largest chunk. The peer's data is always there before a read.
task<std::size_t> read_all_of(half_pair& pair, std::size_t size) {
    firehose hose(pair.raw.get(), size);
    std::string all;
    std::size_t largest = 0;
    while (all.size() < size) {
        hose.fill();
        const chunk data = co_await pair.stream.read_some();
        if (!data) break;
        largest = std::max(largest, data.size());
        all += data.view();
    }
    const bool same = all == pattern(0, size);
    CHECK(same);
    co_return largest;
}

}  // namespace

TEST_CASE("receives grow with what is there, to the limit that was set") {
    bight::reactor_options options;
    // Between two sizes it is the smaller one, and below the first one that.
    const auto [set, most] = GENERATE(table<std::size_t, std::size_t>({{SIZE_MAX, 256 * kib},
                                                                       {256 * kib, 256 * kib},
                                                                       {256 * kib - 1, 64 * kib},
                                                                       {64 * kib, 64 * kib},
                                                                       {64 * kib - 1, 16 * kib},
                                                                       {16 * kib, 16 * kib},
                                                                       {9000, 16 * kib},
                                                                       {1, 16 * kib}}));
    options.largest_receive = set;
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto family = GENERATE(from_range(test::families()));
    CAPTURE(options.largest_receive, kind, family);
    const std::size_t least = (kind == bight::demultiplexer_kind::io_uring ? 4 : 16) * kib;
    test::reactor_fixture on(kind, options);
    on.run([&]() -> task<> {
        half_pair pair = co_await connected_to_raw(family);
        const std::size_t largest = co_await read_all_of(pair, 4U << 20);
        CHECK(largest <= (most == 16 * kib ? least : most));
        if (most > 16 * kib) CHECK(largest > 16 * kib);
        // And small messages are read as before.
        for (int i = 0; i < 40; ++i) {
            pair.raw.send("a small one");
            const chunk small = co_await pair.stream.read_some();
            CHECK(small.view() == "a small one");
        }
        pair.raw.close();
        const chunk end = co_await pair.stream.read_some();
        CHECK(end.empty());
    });
    CHECK(on.reactor().statistics().live_buffers == 0);
}

TEST_CASE("larger receives hold no more than their memory together, and nothing is lost beyond") {
    bight::reactor_options options;
    options.bulk_memory = 256 * kib;
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())), options);
    on.run([&]() -> task<> {
        constexpr std::size_t connections = 12;
        constexpr std::size_t size = 512 * kib;
        std::vector<half_pair> pairs;
        std::vector<firehose> hoses;
        std::vector<std::string> got(connections);
        for (std::size_t i = 0; i < connections; ++i) {
            half_pair pair = co_await connected_to_raw(test::family::tcp);
            pairs.push_back(std::move(pair));
            hoses.emplace_back(pairs.back().raw.get(), size);
        }
        std::size_t rounds_with_bulk = 0;
        while (std::any_of(got.begin(), got.end(), [](const std::string& s) { return s.size() < size; })) {
            std::vector<chunk> kept;  // all at the same time
            std::size_t in_bulk = 0;
            for (std::size_t i = 0; i < connections; ++i) {
                if (got[i].size() == size) continue;
                hoses[i].fill();
                chunk data = co_await pairs[i].stream.read_some();
                if (!data) FAIL("an end");
                got[i] += data.view();
                if (data.size() > 16 * kib) in_bulk += data.size();
                kept.push_back(std::move(data));
            }
            CHECK(in_bulk <= options.bulk_memory);
            rounds_with_bulk += in_bulk > 0 ? 1 : 0;
        }
        CHECK(rounds_with_bulk > 0);
        for (const std::string& s : got) {
            const bool same = s == pattern(0, size);
            CHECK(same);
        }
    });
    CHECK(on.reactor().statistics().live_buffers == 0);
}

TEST_CASE("a large chunk outlives its reactor, and is dropped on any thread, or within another reactor") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool elsewhere = GENERATE(true, false);
    chunk kept;
    for (int round = 0; round < 3; ++round) {
        bight::reactor_options options;
        options.demultiplexer = kind;
        bight::reactor r(options);
        r.run([](chunk& held, bool other_thread) -> task<> {
            if (other_thread) {
                std::thread([old = std::move(held)]() mutable { old.reset(); }).join();
            }
            held.reset();  // a reactor's that is gone; this one may stand in its place
            half_pair pair = co_await connected_to_raw(test::family::tcp);
            firehose hose(pair.raw.get(), 4U << 20);
            do {
                hose.fill();
                held = co_await pair.stream.read_some();
                if (!held) co_return;
            } while (held.size() <= 16 * kib);
            pair.stream.abort();
        }(kept, elsewhere));
        REQUIRE(kept.size() > 16 * kib);
        CHECK(r.statistics().live_buffers == 1);
    }
}

TEST_CASE("a read in bulk is cancelled like any other, and loses nothing") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        half_pair pair = co_await connected_to_raw(test::family::tcp);
        (void)co_await read_all_of(pair, 4U << 20);
        for (int i = 0; i < 5; ++i) {
            const auto none =
                co_await bight::try_with_timeout(pair.stream.read_some(), std::chrono::milliseconds(1));
            CHECK_FALSE(none.has_value());
            pair.raw.send("after");
            const chunk data = co_await pair.stream.read_some();
            CHECK(data.view() == "after");
        }
    });
}

TEST_CASE("who is received from in bulk can reset, and the reader learns it after the data") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        half_pair pair = co_await connected_to_raw(test::family::tcp);
        (void)co_await read_all_of(pair, 4U << 20);
        auto cut = [&]() -> task<> {
            co_await bight::yield();
            pair.raw.reset();
        };
        const auto [how, nothing] = co_await bight::when_all(test::rest(pair.stream), cut());
        (void)nothing;
        CHECK(how == ", error " + std::to_string(ECONNRESET));
    });
}
