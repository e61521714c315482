// No hot connection and no busy task starves the others. The bounds are counts that follow from
// reactor::completion_budget and reactor::poll_interval.
#include "probes.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/address.hpp>
#include <bight/net/connect.hpp>
#include <bight/net/listener.hpp>

#include <array>
#include <atomic>
#include <string>
#include <thread>

namespace {

std::string local_endpoint(const bight::listener& listening) {
    return "tcp:host=127.0.0.1:port=" + std::to_string(listening.local().port());
}

/// Both ends of a connection over 127.0.0.1.
struct both_ends {
    bight::stream ours;
    bight::stream theirs;
};

bight::task<> make_connection(bight::listener& listening, both_ends& into) {
    auto body = [&](bight::group& g) -> bight::task<> {
        auto accept = [&]() -> bight::task<> { into.ours = co_await listening.accept(); };
        g.spawn(accept);
        into.theirs = co_await bight::connect(local_endpoint(listening));
    };
    co_await bight::with_group(body);
}

}  // namespace

TEST_CASE("a firehose does not starve another connection") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    constexpr unsigned budget = bight::reactor::completion_budget;
    long reads = 0;       // of the hot task, so far
    long sent_at = -1;    // how many there were when the other peer's byte was sent
    long served_at = -1;  // and when it was served
    on.run([&]() -> bight::task<> {
        bight::listener listening = bight::listen("tcp:0:interface=127.0.0.1");
        both_ends hot;
        both_ends quiet;
        co_await make_connection(listening, hot);
        co_await make_connection(listening, quiet);
        const int hose = hot.theirs.native_handle();
        const int other = quiet.theirs.native_handle();
        auto all = [&](bight::group& g) -> bight::task<> {
            auto drink = [&]() -> bight::task<> {
                std::array<char, 64> part{};
                const std::string block(16384, 'x');
                for (;;) {
                    const std::size_t got =
                        co_await hot.ours.read_some(bight::mutable_buffer(part.data(), part.size()));
                    if (got == 0) co_return;
                    ++reads;
                    // Never empty: the peer is as fast as the reader.
                    [[maybe_unused]] const ssize_t more =
                        ::send(hose, block.data(), block.size(), MSG_DONTWAIT);
                    if (reads == 1000) {
                        if (::send(other, "!", 1, 0) == 1) sent_at = reads;
                    }
                }
            };
            g.spawn(drink);
            [[maybe_unused]] const ssize_t first = ::send(hose, "x", 1, 0);
            const auto byte = co_await quiet.ours.read_some();
            if (byte.size() == 1) served_at = reads;
            g.cancel();
        };
        co_await bight::with_group(all);
    });
    INFO("sent at " << sent_at << ", served at " << served_at);
    REQUIRE(sent_at >= 0);
    REQUIRE(served_at >= sent_at);
    // The rest of the hot task's budget, one turn in which the byte is found, one in which it is served.
    CHECK(served_at - sent_at <= 3 * long{budget + 1});
}

TEST_CASE("tasks that are always ready still let I/O through") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    constexpr long interval = bight::reactor::poll_interval;
    const long busy = GENERATE(1, 3, 100);
    long steps = 0;
    long sent_at = -1;
    long served_at = -1;
    on.run([&]() -> bight::task<> {
        bight::listener listening = bight::listen("tcp:0:interface=127.0.0.1");
        both_ends quiet;
        co_await make_connection(listening, quiet);
        const int other = quiet.theirs.native_handle();
        auto all = [&](bight::group& g) -> bight::task<> {
            auto spin = [&]() -> bight::task<> {
                for (;;) {
                    co_await bight::yield();
                    if (++steps == 5000) {
                        if (::send(other, "!", 1, 0) == 1) sent_at = steps;
                    }
                }
            };
            for (long i = 0; i < busy; ++i) g.spawn(spin);
            const auto byte = co_await quiet.ours.read_some();
            if (byte.size() == 1) served_at = steps;
            g.cancel();
        };
        co_await bight::with_group(all);
    });
    INFO("sent at " << sent_at << ", served at " << served_at);
    REQUIRE(sent_at >= 0);
    REQUIRE(served_at >= sent_at);
    // Until the next look at the demultiplexer, at the end of that batch, and then the batch the reader is
    // queued behind.
    CHECK(served_at - sent_at <= interval + 2 * busy);
}

TEST_CASE("tasks that are always ready let timers through") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    long steps = 0;
    on.run([&]() -> bight::task<> {
        auto all = [&](bight::group& g) -> bight::task<> {
            auto spin = [&]() -> bight::task<> {
                for (;;) {
                    co_await bight::yield();
                    ++steps;
                }
            };
            g.spawn(spin);
            co_await bight::sleep_for(bight::duration::zero());
            g.cancel();
        };
        co_await bight::with_group(all);
    });
    CHECK(steps <= long{bight::reactor::poll_interval} + 2);
}
