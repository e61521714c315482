// Streams in memory: how reads are cut, when bytes arrive, and what can go wrong on the way.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/sim/memory_stream.hpp>
#include <bight/sim/world.hpp>

#include <cerrno>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::errc;
using bight::stream;
using bight::task;
using test::error_of;
using test::from_errno;
using test::pattern;
using test::read_all;
namespace sim = bight::sim;

namespace {

// A case runs in virtual time on each demultiplexer.
template <class F>
void on_each(F body) {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::virtual_fixture on(kind);
    on.run([&] { return body(on); });
}

// The sizes of what the reads give, until the end of the stream: "3 5 2 ".
task<std::string> read_sizes(stream& from) {
    std::string found;
    while (auto data = co_await from.read_some()) found += std::to_string(data.size()) + ' ';
    co_return found;
}

// The sizes of the reads when "abc", "defgh" and "ij" have been written.
task<std::string> read_when_cut_by(sim::chunking reads) {
    sim::memory_direction d;
    d.reads = std::move(reads);
    auto [from, to] = sim::memory_pair(d);
    co_await from.write("abc");
    co_await from.write("de", "", "fgh");
    co_await from.write("ij");
    co_await from.shutdown_write();
    co_return co_await read_sizes(to);
}

template <class... Places>
sim::chunking at(Places... places) {
    return sim::chunking::split_at({static_cast<std::uint64_t>(places)...});
}

std::vector<sim::chunking> policies() {
    return {sim::chunking::as_written(), sim::chunking::merged(), sim::chunking::at_most(3),
            sim::chunking::random(5, 100), at(1, 10000)};
}

// What came, and the code that ended it.
struct read_end {
    std::string bytes;
    std::error_code error;
    bool operator==(const read_end&) const = default;
};

task<read_end> read_to_the_end(stream& from) {
    read_end e;
    for (;;) {
        auto got = co_await bight::as_result(from.read_some());
        if (!got.has_value()) {
            e.error = got.error();
            break;
        }
        if (got->empty()) break;
        e.bytes += got->view();
    }
    co_return e;
}

}  // namespace

template <>
struct Catch::StringMaker<read_end> {
    static std::string convert(const read_end& e) { return '"' + e.bytes + "\", " + e.error.message(); }
};

TEST_CASE("reads are cut as the policy says") {
    on_each([](auto&) -> task<> {
        const std::string written = co_await read_when_cut_by(sim::chunking::as_written());
        CHECK(written == "3 5 2 ");
        const std::string merged = co_await read_when_cut_by(sim::chunking::merged());
        CHECK(merged == "10 ");
        const std::string bytes = co_await read_when_cut_by(sim::chunking::one_byte());
        CHECK(bytes == "1 1 1 1 1 1 1 1 1 1 ");
        const std::string four = co_await read_when_cut_by(sim::chunking::at_most(4));
        CHECK(four == "4 4 2 ");
        const std::string split = co_await read_when_cut_by(at(7, 1, 1, 10, 0, 99));
        CHECK(split == "1 6 3 ");
        const std::string whole = co_await read_when_cut_by(at());
        CHECK(whole == "10 ");
    });
}

TEST_CASE("random cuts are within their bound, the same for a seed and others for another") {
    on_each([](auto&) -> task<> {
        const auto cuts = [](std::uint64_t seed) -> task<std::string> {
            sim::memory_direction d;
            d.reads = sim::chunking::random(seed, 7);
            auto [from, to] = sim::memory_pair(d);
            co_await from.write(pattern(0, 1000));
            co_await from.shutdown_write();
            co_return co_await read_sizes(to);
        };
        const std::string one = co_await cuts(1);
        const std::string again = co_await cuts(1);
        const std::string two = co_await cuts(2);
        CHECK(one == again);
        CHECK(one != two);
        CHECK(one.find("1 ") != std::string::npos);
        CHECK(one.find("7 ") != std::string::npos);
        CHECK(one.find_first_of("890") == std::string::npos);
    });
}

TEST_CASE("a read into memory gets no more than fits, and the rest is read next") {
    on_each([](auto&) -> task<> {
        auto [from, to] = sim::memory_pair();
        co_await from.write("abcdef");
        char four[4] = {};
        const std::size_t got = co_await to.read_some(bight::mutable_buffer(four));
        CHECK(std::string(four, got) == "abcd");
        const auto rest = co_await to.read_some();
        CHECK(rest.view() == "ef");
    });
}

TEST_CASE("whatever the policy and the buffer, everything arrives in order") {
    on_each([](auto&) -> task<> {
        const std::string text = pattern(0, 20000);
        for (const std::size_t capacity : {0U, 1U, 7U, 4096U, 65536U}) {
            for (const auto& reads : policies()) {
                sim::memory_direction d;
                d.capacity = capacity;
                d.reads = reads;
                auto [from, to] = sim::memory_pair(d);
                auto write = [&]() -> task<> {
                    for (std::size_t at = 0; at < text.size(); at += 999) {
                        const std::string piece = text.substr(at, 999);
                        co_await from.write(piece.substr(0, 15), piece.substr(15));
                    }
                    co_await from.close();
                };
                const auto [nothing, all] = co_await bight::when_all(write(), read_all(to));
                (void)nothing;
                CHECK((all == text));
            }
        }
    });
}

TEST_CASE("a write waits while the buffer is full, and goes on as it is read") {
    on_each([](auto&) -> task<> {
        sim::memory_direction d;
        d.capacity = 10;
        auto [from, to] = sim::memory_pair(d);
        co_await from.write("0123456789");
        bool written = false;
        auto write = [&]() -> task<> {
            co_await from.write("abcdefghijklmno");
            written = true;
        };
        auto read = [&]() -> task<> {
            co_await bight::sleep_for(1h);
            CHECK_FALSE(written);
            std::string all(24, '\0');
            co_await to.read_exactly(bight::mutable_buffer(all.data(), 14));
            co_await bight::yield();
            CHECK_FALSE(written);
            co_await to.read_exactly(bight::mutable_buffer(all.data() + 14, 1));
            co_await bight::yield();
            CHECK(written);
        };
        co_await bight::when_all(write(), read());
    });
}

TEST_CASE("bytes, the end and a reset arrive after the latency, to the nanosecond") {
    on_each([](auto& on) -> task<> {
        sim::memory_direction slow;
        slow.latency = 250ms;
        auto [from, to] = sim::memory_pair(sim::memory_options(slow, {}));
        const auto begun = on.elapsed();
        auto write = [&]() -> task<> {
            co_await from.write("one");
            co_await bight::sleep_for(100ms);
            co_await from.write("two");
            co_await bight::sleep_for(1s);
            co_await from.shutdown_write();
        };
        auto read = [&]() -> task<> {
            const auto one = co_await to.read_some();
            CHECK(one.view() == "one");
            CHECK(on.elapsed() - begun == 250ms);
            const auto two = co_await to.read_some();
            CHECK(two.view() == "two");
            CHECK(on.elapsed() - begun == 350ms);
            const auto end = co_await to.read_some();
            CHECK(end.empty());
            CHECK(on.elapsed() - begun == 1350ms);
            co_await to.write("at once");
        };
        co_await bight::when_all(write(), read());
        const auto answer = co_await from.read_some();
        CHECK(answer.view() == "at once");
        CHECK(on.elapsed() - begun == 1350ms);

        auto [one, other] = sim::memory_pair(sim::memory_options(slow, {}));
        const auto then = on.elapsed();
        co_await one.write("last");
        one.abort();
        const read_end e = co_await read_to_the_end(other);
        CHECK(e == read_end{"last", {ECONNRESET, bight::detail::errno_category()}});
        CHECK(on.elapsed() - then == 250ms);
    });
}

TEST_CASE("a read that is cancelled while bytes are on their way loses none") {
    on_each([](auto&) -> task<> {
        sim::memory_direction slow;
        slow.latency = 1s;
        auto [from, to] = sim::memory_pair(slow);
        co_await from.write("text");
        auto read = [&]() -> task<std::string> {
            const auto got = co_await to.read_some();
            co_return got.to_string();
        };
        const auto early = co_await bight::try_with_timeout(read(), 999ms);
        CHECK_FALSE(early.has_value());
        const auto late = co_await bight::try_with_timeout(read(), 1ms);
        CHECK(late == "text");
    });
}

TEST_CASE("a read that has its bytes cannot be cancelled any more") {
    on_each([](auto&) -> task<> {
        auto [from, to] = sim::memory_pair();
        std::string got;
        auto read = [&]() -> task<> {
            const auto data = co_await to.read_some();
            got = data.view();
        };
        auto write = [&]() -> task<> { co_await from.write("text"); };
        co_await bight::when_any(read(), write());  // the write ends first, and cancels the read
        CHECK(got == "text");
    });
}

TEST_CASE("a cancelled write has sent the first of it, the next goes behind that, and the end is a reset") {
    on_each([](auto&) -> task<> {
        sim::memory_direction d;
        d.capacity = 4;
        auto [from, to] = sim::memory_pair(d);
        const bool written = co_await bight::try_with_timeout(from.write("abcdefgh"), 1s);
        CHECK_FALSE(written);
        const auto first = co_await to.read_some();
        CHECK(first.view() == "abcd");
        co_await from.write("xy");
        const auto next = co_await to.read_some();
        CHECK(next.view() == "xy");
        const auto closed = co_await error_of(from.close());
        CHECK(closed == bight::errc::aborted);
        const auto reset = co_await error_of(to.read_some());
        CHECK(reset == from_errno(ECONNRESET));
    });
}

TEST_CASE("what has arrived before a reset is read, then ECONNRESET for ever; writes fail with it too") {
    on_each([](auto&) -> task<> {
        auto [one, other] = sim::memory_pair();
        co_await one.write("last");
        co_await other.write("never read");
        one.abort();
        const read_end e = co_await read_to_the_end(other);
        CHECK(e == read_end{"last", {ECONNRESET, bight::detail::errno_category()}});
        const auto again = co_await error_of(other.read_some());
        CHECK(again == from_errno(ECONNRESET));
        const auto write = co_await error_of(other.write("x"));
        CHECK(write == from_errno(ECONNRESET));
        CHECK(other.is_open());
    });
}

TEST_CASE("after a regular close the peer's next write goes nowhere, and those after it get EPIPE") {
    on_each([](auto&) -> task<> {
        sim::memory_direction d;
        d.capacity = 10;
        auto [one, other] = sim::memory_pair(d);
        co_await one.write("bye");
        co_await one.close();
        co_await other.write("x");
        const auto second = co_await error_of(other.write("x"));
        CHECK(second == from_errno(EPIPE));
        const read_end e = co_await read_to_the_end(other);
        CHECK(e == read_end{"bye", {}});

        auto [three, four] = sim::memory_pair(d);
        auto write = [&]() -> task<> {
            const auto error = co_await error_of(four.write("more than there is room for"));
            CHECK(error == from_errno(EPIPE));
        };
        auto close = [&]() -> task<> { co_await three.close(); };
        co_await bight::when_all(write(), close());
    });
}

TEST_CASE("with latency a peer learns that nobody reads when the answer has come back") {
    on_each([](auto& on) -> task<> {
        sim::memory_direction slow;
        slow.latency = 100ms;
        auto [one, other] = sim::memory_pair(slow);
        co_await one.close();
        co_await other.write("x");
        co_await bight::sleep_for(199ms);
        co_await other.write("x");
        co_await bight::sleep_for(1ms);
        const auto error = co_await error_of(other.write("x"));
        CHECK(error == from_errno(EPIPE));

        // A write that waits learns it by itself.
        sim::memory_direction narrow = slow;
        narrow.capacity = 4;
        auto [three, four] = sim::memory_pair(narrow);
        const auto begun = on.elapsed();
        auto write = [&]() -> task<std::error_code> {
            co_return co_await error_of(four.write("0123456789"));
        };
        auto abort = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            three.abort();
        };
        const auto [late, nothing] = co_await bight::when_all(write(), abort());
        (void)nothing;
        CHECK(late == from_errno(ECONNRESET));
        CHECK(on.elapsed() - begun == 1100ms);
    });
}

TEST_CASE("a connection breaks at any byte: those before it arrive, and both ends learn of it") {
    on_each([](auto&) -> task<> {
        const std::string text = "0123456789";
        for (std::size_t at = 0; at <= text.size() + 1; ++at) {
            CAPTURE(at);
            sim::memory_direction d;
            d.reset_at = at;
            auto [from, to] = sim::memory_pair(sim::memory_options(d, {}));
            auto waits = [&]() -> task<std::error_code> { co_return co_await error_of(from.read_some()); };
            auto writes = [&]() -> task<std::error_code> {
                const auto error = co_await error_of(from.write(text.substr(0, 4), text.substr(4)));
                co_await bight::yield();
                from.abort();
                co_return error;
            };
            const auto [read, write] = co_await bight::when_all(waits(), writes());
            const bool broke = at <= text.size();
            if (broke) {
                CHECK(read == from_errno(ECONNRESET));
            } else {
                CHECK(read == errc::aborted);
            }
            if (at < text.size()) {
                CHECK(write == from_errno(ECONNRESET));
            } else {
                CHECK_FALSE(write);
            }
            const read_end e = co_await read_to_the_end(to);
            CHECK(e.bytes == text.substr(0, at));
            CHECK(e.error == from_errno(ECONNRESET));
            const auto answer = co_await error_of(to.write("x"));
            CHECK(answer == from_errno(ECONNRESET));
        }
    });
}

TEST_CASE("a break has the error that it is given, and ends a write that waits the other way") {
    const std::error_code given(ETIMEDOUT, bight::detail::errno_category());
    on_each([given](auto&) -> task<> {
        sim::memory_direction d;
        d.reset_at = 3;
        d.reset_error = given;
        sim::memory_direction narrow;
        narrow.capacity = 1;
        auto [from, to] = sim::memory_pair(sim::memory_options(d, narrow));
        auto waits = [&]() -> task<> {
            const auto error = co_await error_of(to.write("does not fit"));
            CHECK(error == given);
        };
        auto writes = [&]() -> task<> {
            const auto error = co_await error_of(from.write("abcd"));
            CHECK(error == given);
        };
        co_await bight::when_all(waits(), writes());
        const read_end here = co_await read_to_the_end(from);
        CHECK(here == read_end{"d", given});
        const read_end there = co_await read_to_the_end(to);
        CHECK(there == read_end{"abc", given});
    });
}

TEST_CASE("the n-th operation fails: for want of memory once, with another error for ever") {
    on_each([](auto&) -> task<> {
        for (const int code : {ENOMEM, ENOBUFS, EIO}) {
            CAPTURE(code);
            const std::error_code given(code, from_errno(code).category());
            const std::error_code later = code == EIO ? given : std::error_code();
            sim::memory_direction d;
            d.failing_read = 1;
            d.read_error = given;
            d.failing_write = 2;
            d.write_error = given;
            auto [from, to] = sim::memory_pair(sim::memory_options(d, {}));
            co_await from.write("a");
            co_await from.write("b");
            const auto third = co_await error_of(from.write("c"));
            CHECK(third == given);
            const auto fourth = co_await error_of(from.write("d"));
            CHECK(fourth == later);
            const auto first = co_await to.read_some();
            CHECK(first.view() == "a");
            const auto failed = co_await error_of(to.read_some());
            CHECK(failed == given);
            auto next = co_await bight::as_result(to.read_some());
            CHECK(next.error() == later);
            if (next.has_value()) CHECK(next->view() == "b");
            // The other direction does not mind.
            co_await to.write("x");
            const auto back = co_await from.read_some();
            CHECK(back.view() == "x");
        }
    });
}

TEST_CASE("a peer that falls silent says nothing more, takes what fits, and not even ends") {
    on_each([](auto&) -> task<> {
        sim::memory_direction d;
        d.silent_from = 5;
        d.capacity = 20;
        auto [from, to] = sim::memory_pair(sim::memory_options(d, {}));
        co_await from.write("01234567");
        const auto got = co_await to.read_some();
        CHECK(got.view() == "01234");
        const bool more = co_await bight::try_with_timeout(from.write(std::string(18, 'x')), 1h);
        CHECK_FALSE(more);
        from.abort();
        auto read = [&]() -> task<> { co_await to.read_some(); };
        const bool came = co_await bight::try_with_timeout(read(), 1h);
        CHECK_FALSE(came);
        co_await to.write("into the void");
    });
}

TEST_CASE("a wait that nothing can end is a deadlock, and no hang") {
    test::virtual_fixture on;
    std::optional<std::string> tree;
    try {
        on.run([]() -> task<> {
            auto [one, other] = sim::memory_pair();
            const auto data = co_await one.read_some();
            co_await other.write(data);
        });
    } catch (const bight::deadlock& e) {
        tree = e.what();
    }
    REQUIRE(tree);
    CHECK_THAT(*tree, Catch::Contains("a read from unix:memory-second (in memory)"));
}

TEST_CASE("the ends have names, which a test may choose") {
    on_each([](auto&) -> task<> {
        auto [one, other] = sim::memory_pair();
        CHECK(one.peer() == other.local());
        CHECK(other.peer() == one.local());
        CHECK(one.peer().to_string() == "unix:memory-second");
        CHECK(one.native_handle() == -1);
        one.set_no_delay(true);
        one.set_keep_alive(true);

        sim::memory_options options;
        options.first = bight::address::from_ip("192.0.2.1", 5000);
        auto [three, four] = sim::memory_pair(options);
        CHECK(four.peer().host() == "192.0.2.1");
        three.abort();
        std::string what;
        try {
            co_await four.read_some();
        } catch (const std::system_error& e) {
            what = e.what();
        }
        CHECK_THAT(what, Catch::Contains("read from 192.0.2.1:5000"));
    });
}

TEST_CASE("a pair needs a reactor: that of its thread, or one that is named") {
    std::error_code code;
    try {
        auto pair = sim::memory_pair();
    } catch (const std::system_error& e) {
        code = e.code();
    }
    CHECK(code == errc::wrong_thread);

    test::virtual_fixture on;
    auto [one, other] = sim::memory_pair(on.reactor());
    on.run([&]() -> task<> {
        co_await one.write("x");
        const auto got = co_await other.read_some();
        CHECK(got.view() == "x");
    });
}

TEST_CASE("streams that nobody holds any more leave nothing, whatever was under way") {
    on_each([](auto&) -> task<> {
        sim::memory_direction slow;
        slow.latency = 1s;
        slow.capacity = 8;
        for (const auto& d : {sim::memory_direction(), slow}) {
            {
                auto [one, other] = sim::memory_pair(d);
                co_await one.write("unread");
            }
            {
                auto [one, other] = sim::memory_pair(d);
                bight::outbox out(one);
                CHECK(out.send("longer than the buffer of one of them"));
                other.abort();
            }
            {
                auto [one, other] = sim::memory_pair(d);
                bight::chunk kept;
                co_await one.write("kept");
                kept = co_await other.read_some();
                one = {};
                other = {};
                CHECK(kept.view() == "kept");
            }
        }
    });
}

TEST_CASE("an outbox on a memory stream is bounded by its policy while the peer does not read") {
    on_each([](auto&) -> task<> {
        sim::memory_direction d;
        d.capacity = 100;
        auto [from, to] = sim::memory_pair(d);
        bight::outbox_options options;
        options.capacity = 50;
        bight::outbox out(from, options);
        std::size_t sent = 0;
        while (out.send("0123456789")) ++sent;
        CHECK(sent == 15);
        CHECK_FALSE(from.is_open());
        const read_end e = co_await read_to_the_end(to);
        CHECK(e.bytes.size() == 100);
        CHECK(e.error == from_errno(ECONNRESET));
    });
}

TEST_CASE("a memory pair works within a simulated world, by its time") {
    sim::world w(1);
    bight::duration took{};
    w.add("host").run([&]() -> task<> {
        sim::memory_direction slow;
        slow.latency = 90min;
        auto [one, other] = sim::memory_pair(slow);
        const auto begun = w.elapsed();
        co_await one.write("x");
        const auto got = co_await other.read_some();
        CHECK(got.view() == "x");
        took = w.elapsed() - begun;
    });
    w.run();
    CHECK(took == 90min);
}
