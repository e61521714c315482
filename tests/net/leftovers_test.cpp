// What a dropped stream leaves to the reactor, and what a run, a stop and the reactor's end do with it.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/sim/memory_stream.hpp>

#include <cerrno>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

using namespace std::chrono_literals;
using bight::errc;
using bight::outbox;
using bight::stream;
using bight::task;
using test::connected_to_raw;
using test::error_of;
using test::pattern;

namespace {

constexpr std::size_t much = 3'000'000;

bight::outbox_options room_for_much() {
    bight::outbox_options options;
    options.capacity = much;
    return options;
}

// A peer that begins to read when it is told to, on a thread of its own.
class reader {
  public:
    explicit reader(test::raw_socket s) : socket_(std::move(s)) {}
    reader(const reader&) = delete;
    reader& operator=(const reader&) = delete;
    ~reader() {
        if (thread_.joinable()) thread_.join();
    }
    void begin() {
        thread_ = std::thread([this] { got_ = socket_.receive_all(&error_); });
    }
    const std::string& join() {
        thread_.join();
        return got_;
    }
    int error() const { return error_; }

  private:
    test::raw_socket socket_;
    std::string got_;
    int error_ = 0;
    std::thread thread_;
};

task<> leave_much(stream mine) {
    outbox out(mine, room_for_much());
    CHECK(out.send(pattern(0, much)));
    co_return;
}

}  // namespace

TEST_CASE("run returns when what its task has left is said, although nobody waits for it") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    const auto family = GENERATE(from_range(test::families()));
    std::optional<reader> peer;
    on.run([&]() -> task<> {
        auto pair = co_await connected_to_raw(family);
        peer.emplace(std::move(pair.raw));
        co_await leave_much(std::move(pair.stream));
        peer->begin();
    });
    CHECK((peer->join() == pattern(0, much)));
    CHECK(peer->error() == 0);
}

TEST_CASE("a farewell that a destructor sends while another error unwinds arrives in good order") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    std::optional<reader> peer;
    struct deregisters {
        bight::demultiplexer_kind kind;
        std::optional<reader>& peer;
        ~deregisters() {
            bight::reactor_options options;
            options.demultiplexer = kind;
            bight::reactor r(options);
            const auto say_goodbye = [this]() -> task<> {
                auto pair = co_await connected_to_raw(test::family::tcp);
                peer.emplace(std::move(pair.raw));
                peer->begin();
                co_await pair.stream.write("goodbye ", pattern(0, 200'000));
            };
            r.run(say_goodbye());
        }
    };
    try {
        const deregisters on_the_way_out{kind, peer};
        throw std::runtime_error("unrelated");
    } catch (const std::runtime_error&) {
    }
    CHECK((peer->join() == "goodbye " + pattern(0, 200'000)));
    CHECK(peer->error() == 0);
}

TEST_CASE("a stop bounds what connections still have to say, and a second one ends it") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const bool now = GENERATE(false, true);
    CAPTURE(now);
    test::virtual_fixture on(kind);
    test::raw_socket silent;
    const auto before = on.elapsed();
    on.run([&]() -> task<> {
        auto pair = co_await connected_to_raw(test::family::tcp);
        silent = std::move(pair.raw);
        pair.stream.set_close_deadline(1h);
        outbox out(pair.stream, bight::outbox_options{32U << 20, bight::overflow_policy::disconnect});
        CHECK(out.send(pattern(0, 32U << 20)));
        auto dropped = std::move(pair.stream);
        if (now) {
            on.reactor().stop_now();
        } else {
            on.reactor().stop();
        }
    });
    const auto took = on.elapsed() - before;
    CHECK(took <= (now ? bight::duration::zero() : bight::duration(bight::reactor::stop_patience)));
    int error = 0;
    silent.receive_all(&error);
    CHECK(error == ECONNRESET);
}

TEST_CASE("a reactor that is destroyed lets connections say the rest") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    std::optional<reader> peer;
    {
        bight::reactor_options options;
        options.demultiplexer = kind;
        bight::reactor r(options);
        r.start([&]() -> task<> {
            auto pair = co_await connected_to_raw(test::family::tcp);
            peer.emplace(std::move(pair.raw));
            co_await leave_much(std::move(pair.stream));
        });
        while (!peer || r.statistics().live_tasks > 0) r.run_once(10ms);
        peer->begin();
    }
    CHECK((peer->join() == pattern(0, much)));
    CHECK(peer->error() == 0);
}

TEST_CASE("a write that is given up before its first byte, and followed by another, was never missing") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bight::sim::memory_direction ten;
    ten.capacity = 10;
    on.run([&]() -> task<> {
        auto [here, there] = bight::sim::memory_pair(bight::sim::memory_options(ten));
        co_await here.write("0123456789");
        const bool none = co_await bight::try_with_timeout(here.write("abc"), 1ms);
        CHECK_FALSE(none);
        std::string ten_bytes(10, '\0');
        co_await there.read_exactly(ten_bytes);
        co_await here.write("xyz");
        co_await here.close();
        const std::string all = co_await test::read_all(there);
        CHECK(all == "xyz");
    });
}

TEST_CASE("a write that is given up before its first byte, and is the last, makes a reset of the end") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    bight::sim::memory_direction ten;
    ten.capacity = 10;
    on.run([&]() -> task<> {
        auto [here, there] = bight::sim::memory_pair(bight::sim::memory_options(ten));
        co_await here.write("0123456789");
        const bool none = co_await bight::try_with_timeout(here.write("abc"), 1ms);
        CHECK_FALSE(none);
        const auto closed = co_await error_of(here.close());
        CHECK(closed == errc::aborted);
        const auto read = co_await error_of(test::read_all(there));
        CHECK(read == std::errc::connection_reset);
    });
}
