// No hot connection and no busy task starves the others. The bounds are counts that follow from
// reactor::completion_budget and reactor::poll_interval.
#include "probes.hpp"
#include "support/receive_room.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/io/address.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/connect.hpp>
#include <bight/net/listener.hpp>

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>
#include <vector>

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
    co_await bight::with_group([&](bight::group& g) -> bight::task<> {
        auto accept = [&]() -> bight::task<> { into.ours = co_await listening.accept(); };
        g.spawn(accept);
        into.theirs = co_await bight::connect(local_endpoint(listening));
    });
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
        co_await bight::with_group([&](bight::group& g) -> bight::task<> {
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
        });
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
        co_await bight::with_group([&](bight::group& g) -> bight::task<> {
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
        });
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
        co_await bight::with_group([&](bight::group& g) -> bight::task<> {
            auto spin = [&]() -> bight::task<> {
                for (;;) {
                    co_await bight::yield();
                    ++steps;
                }
            };
            g.spawn(spin);
            co_await bight::sleep_for(bight::duration::zero());
            g.cancel();
        });
    });
    CHECK(steps <= long{bight::reactor::poll_interval} + 2);
}

TEST_CASE("what one call may send is a budget's worth, and whole pieces of it") {
    using bight::detail::next_to_send;
    const std::string text(10, 'x');
    const auto next = [&](std::vector<std::size_t> sizes, std::size_t limit) {
        std::vector<bight::const_buffer> pieces;
        for (const std::size_t size : sizes) pieces.emplace_back(text.data(), size);
        test::probe_descriptor none;
        test::send_probe op(none, test::operation_kind::send);
        op.pieces = pieces.data();
        op.piece_count = pieces.size();
        const auto found = next_to_send(op, limit);
        return std::pair(found.count, found.size);
    };
    CHECK(next({}, 10) == std::pair<std::size_t, std::size_t>(0, 0));
    CHECK(next({4}, 10) == std::pair<std::size_t, std::size_t>(1, 4));
    CHECK(next({4}, 3) == std::pair<std::size_t, std::size_t>(1, 3));  // of the first piece it may be a part
    CHECK(next({4, 6}, 10) == std::pair<std::size_t, std::size_t>(2, 10));
    CHECK(next({4, 7}, 10) == std::pair<std::size_t, std::size_t>(1, 4));
    CHECK(next({4, 6, 1}, 10) == std::pair<std::size_t, std::size_t>(2, 10));
}

TEST_CASE("while a send goes on, the kernel is asked what else there is in each turn") {
    using bight::demultiplexer_kind;
    // Those that make the calls of a send themselves.
    const auto kind = GENERATE(from_range(test::those_that_work(
        {demultiplexer_kind::epoll, demultiplexer_kind::poll, demultiplexer_kind::select,
         demultiplexer_kind::iocp, demultiplexer_kind::wfmo})));
    CAPTURE(kind);
    constexpr std::size_t of_a_turn = bight::detail::pieces_of_a_call * bight::detail::call_budget;
    test::demultiplexer_fixture on(kind);
    auto& c = on.connect(test::pair_kind::unix_pair);
    // In pieces so small that the calls come to an end, and not the room.
    const std::string text(64 * 1024, 'x');
    std::vector<bight::const_buffer> pieces;
    for (std::size_t i = 0; i < text.size(); ++i) pieces.emplace_back(text.data() + i, 1);
    test::send_probe op(c.ours, test::operation_kind::send);
    op.pieces = pieces.data();
    op.piece_count = pieces.size();
    on.start(op);
    int unfinished = 0;
    while (op.completions == 0 && on.reactor().has_ready()) {
        ++unfinished;
        const auto before = on.reactor().statistics().polls;
        on.reactor().run_once();
        CHECK(on.reactor().statistics().polls == before + 1);
        CHECK(c.hear(of_a_turn) == std::string(of_a_turn, 'x'));
        if (unfinished == 2) break;
    }
    CHECK(unfinished >= 1);
    on.end(op);
}

TEST_CASE("a read takes no more than a budget's worth at a time") {
    const auto kind = GENERATE(bight::demultiplexer_kind::io_uring, bight::demultiplexer_kind::poll,
                               bight::demultiplexer_kind::select);  // epoll takes no files
    CAPTURE(kind);
    test::demultiplexer_fixture on(kind);
    const int fd = ::memfd_create("bight", MFD_CLOEXEC);
    REQUIRE(fd >= 0);
    constexpr std::size_t budget = bight::detail::transfer_budget;
    REQUIRE(::ftruncate(fd, 3 * budget) == 0);
    auto& d = on.add(fd);
    std::vector<char> memory(2 * budget);
    test::receive_probe op(d, test::operation_kind::read);
    op.memory = bight::mutable_buffer(memory.data(), memory.size());
    on.start(op);
    REQUIRE(on.until_completed(op));
    CHECK(op.result == static_cast<std::int64_t>(budget));
}

TEST_CASE("a receive into memory takes no more than a budget's worth at a time, however much is there") {
    constexpr std::size_t budget = bight::detail::transfer_budget;
    test::demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())));
    INFO(on.name());
    auto& c = on.connect(test::pair_kind::tcp);
    const int room = 16 * static_cast<int>(budget);
    if (!test::make_receive_room(c.ours.number(), room))
        test::skip("no socket is given room for so much (Linux: without CAP_NET_ADMIN; Wine: by its kernel)");
    c.say(std::string(2 * budget, 'x'));
    REQUIRE(on.until([&] { return test::unread_bytes(c.ours.number()) == 2 * budget; }));
    std::vector<char> memory(2 * budget);
    test::receive_probe op(c.ours, test::operation_kind::receive_into);
    op.memory = bight::mutable_buffer(memory.data(), memory.size());
    on.start(op);
    REQUIRE(on.until_completed(op));
    CHECK(op.result == static_cast<std::int64_t>(budget));
}
