// How connections end, and what the other side can tell of it, the same on every demultiplexer and in a
// simulated world: nothing that was written is lost, no part is taken for a whole, and nobody waits for ever.
#include "outbox_room.hpp"

#include "support/catch.hpp"
#include "support/places.hpp"

#include <bight/bight.hpp>

#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::errc;
using bight::group;
using bight::outbox;
using bight::stream;
using bight::task;
using test::error_of;
using test::from_errno;
using test::pattern;
using test::place_fixture;
using test::rest;
using test::room_for;

namespace {

const std::string with_reset = ", error " + std::to_string(ECONNRESET);

// A Unix socket has no reset of its own.
std::string cut_off(const place_fixture& on) { return on.is_tcp() ? with_reset : ", end"; }

// Something between what one buffer takes and what would take long.
std::string much_for(const place_fixture& on) {
    return pattern(3, on.at().simulated() ? 600'000 : 3'000'000);
}

// A client that sends more and more while it reads.
task<std::string> read_while_sending(place_fixture& on, stream& peer) {
    bool done = false;
    auto send = [&]() -> task<> {
        while (!done) {
            const auto error = co_await error_of(peer.write(pattern(0, 1000)));
            if (error) break;
            co_await bight::sleep_for(1ms);
        }
    };
    std::string got;
    auto read = [&]() -> task<> {
        co_await on.settle();
        got = co_await rest(peer);
        done = true;
    };
    co_await bight::when_all(send(), read());
    co_return got;
}

}  // namespace

TEST_CASE("what was written before close arrives although the peer goes on sending and nobody reads it") {
    place_fixture on(GENERATE(from_range(test::places())));
    const bool dropped = GENERATE(false, true);
    CAPTURE(dropped);
    const std::string text = much_for(on);
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            co_await peer.write(text);
            if (!dropped) co_await peer.close();
        },
        [&](stream& peer) -> task<> { got = co_await read_while_sending(on, peer); });
    CHECK((got == text + ", end"));
}

TEST_CASE("an answer that comes before the question has ended arrives whole") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string question = much_for(on);
    const std::string answer = pattern(1, on.at().simulated() ? 3'000 : 100'000);  // fits
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            stream mine = std::move(peer);
            const auto first = co_await mine.read_some();
            co_await mine.write(answer);
        },
        [&](stream& peer) -> task<> {
            const auto error = co_await error_of(peer.write(question));
            CHECK(!error);
            got = co_await rest(peer);
        });
    CHECK((got == answer + ", end"));
}

TEST_CASE("what an outbox holds goes out after its stream is dropped, whoever has it") {
    place_fixture on(GENERATE(from_range(test::places())));
    const bool moved = GENERATE(false, true);
    CAPTURE(moved);
    const std::string text = much_for(on);
    std::string got;
    struct session {
        explicit session(stream s, std::size_t capacity)
            : peer(std::move(s)), out(peer, room_for(capacity)) {}
        stream peer;
        outbox out;
    };
    on.run_pair(
        [&](stream& peer) -> task<> {
            peer.set_close_deadline(10min);  // in pieces of a byte, each of which may be late
            if (moved) {
                const auto mine = std::make_unique<session>(std::move(peer), text.size());
                CHECK(mine->out.send(text));
            } else {
                stream mine = std::move(peer);
                outbox out(mine, room_for(text.size()));
                CHECK(out.send(text));
            }
            co_return;
        },
        [&](stream& peer) -> task<> {
            co_await on.settle();
            got = co_await rest(peer);
        });
    CHECK((got == text + ", end"));
}

TEST_CASE("a stream that is dropped with more than its peer ever reads is reset at its deadline") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string text = pattern(0, on.more_than_buffers());
    bool over = false;
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            stream mine = std::move(peer);
            mine.set_close_deadline(on.moment());
            outbox out(mine, room_for(text.size()));
            CHECK(out.send(text));
            over = true;
            co_return;
        },
        [&](stream& peer) -> task<> {
            co_await on.until([&] { return over; });
            for (int i = 0; i < 3; ++i) co_await on.settle();
            got = co_await rest(peer);
        });
    CHECK(got.ends_with(cut_off(on)));
    CHECK(got.size() < text.size());
}

TEST_CASE("a write that was cut short ends in a reset, however the stream is ended") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string how = GENERATE("dropped", "closed", "ended");
    CAPTURE(how);
    const std::string text = pattern(0, on.more_than_buffers());
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            stream mine = std::move(peer);
            const bool whole = co_await bight::try_with_timeout(mine.write(text), on.moment());
            CHECK_FALSE(whole);
            std::error_code error;
            if (how == "closed") error = co_await error_of(mine.close());
            if (how == "ended") error = co_await error_of(mine.shutdown_write());
            if (how != "dropped") CHECK(error == errc::aborted);
        },
        [&](stream& peer) -> task<> {
            for (int i = 0; i < 3; ++i) co_await on.settle();
            got = co_await rest(peer);
        });
    CHECK(got.ends_with(cut_off(on)));
    CHECK(got.size() < text.size());
}

TEST_CASE("a cancelled task whose writes were whole ends its stream in good order") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            auto waits = [](stream mine) -> task<> {
                co_await mine.write("whole");
                co_await bight::sleep_for(std::chrono::hours(1));
            };
            const bool ended = co_await bight::try_with_timeout(waits(std::move(peer)), on.moment());
            CHECK_FALSE(ended);
        },
        [&](stream& peer) -> task<> { got = co_await rest(peer); });
    CHECK(got == "whole, end");
}

namespace {

task<> fails_after_half(stream s) {
    const auto go = co_await s.read_some();
    co_await s.write("half");
    throw std::runtime_error("no more");
}

task<> a_while(bight::duration d) { co_await bight::sleep_for(d); }

// The stream is a parameter of a coroutine that fails, below this or that.
task<> fail_below(std::string scope, stream peer, bight::duration moment) {
    if (scope == "co_await") co_await fails_after_half(std::move(peer));
    if (scope == "with_timeout") co_await bight::with_timeout(fails_after_half(std::move(peer)), 1h);
    if (scope == "when_all") co_await bight::when_all(fails_after_half(std::move(peer)), a_while(moment));
    if (scope == "race, won by another")
        co_await bight::race(fails_after_half(std::move(peer)), a_while(moment));
    if (scope == "with_group") {
        co_await bight::with_group([&](group& g) { g.spawn(fails_after_half, std::move(peer)); });
    }
    if (scope == "a local") {
        stream local = std::move(peer);
        const auto go = co_await local.read_some();
        co_await local.write("half");
        throw std::runtime_error("no more");
    }
    if (scope == "caught beside it") {
        try {
            stream local = std::move(peer);
            const auto go = co_await local.read_some();
            co_await local.write("half");
            throw std::runtime_error("no more");
        } catch (const std::runtime_error&) {
        }
    }
}

}  // namespace

TEST_CASE("the peer of a task that fails can tell: a reset, wherever the stream is") {
    place_fixture on(GENERATE(from_range(test::tcp_places())));
    const std::string scope = GENERATE("co_await", "with_timeout", "when_all", "race, won by another",
                                       "with_group", "a local", "caught beside it");
    CAPTURE(scope);
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            try {
                co_await fail_below(scope, std::move(peer), on.moment());
            } catch (const std::runtime_error&) {
            }
        },
        [&](stream& peer) -> task<> {
            co_await peer.write("go");
            got = co_await rest(peer);
        });
    CHECK((got == "half" + with_reset || got == with_reset));
}

TEST_CASE("a task given to start that fails resets its stream, too") {
    place_fixture on(GENERATE(from_range(test::tcp_places())));
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            bight::reactor::current()->start(fails_after_half, std::move(peer));
            co_return;
        },
        [&](stream& peer) -> task<> {
            co_await peer.write("go");
            got = co_await rest(peer);
        });
    CHECK((got == "half" + with_reset || got == with_reset));
    CHECK(on.take_errors().size() == 1);
}

TEST_CASE("an error that a task has caught and left behind is no failure of its streams") {
    place_fixture on(GENERATE(from_range(test::tcp_places())));
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            auto fails = []() -> task<> {
                co_await bight::yield();
                throw std::runtime_error("elsewhere");
            };
            stream mine = std::move(peer);
            try {
                co_await fails();
            } catch (const std::runtime_error&) {
            }
            co_await mine.write("whole");
        },
        [&](stream& peer) -> task<> { got = co_await rest(peer); });
    CHECK(got == "whole, end");
}

TEST_CASE("serve: a stream that its protocol has handed on stays, also with a write pending") {
    place_fixture on(GENERATE(from_range(test::places())));
    const bool pending = GENERATE(false, true);
    CAPTURE(pending);
    const std::string text = pattern(0, pending ? on.more_than_buffers() : 10);
    bight::channel<stream> handed(1);
    std::string where;
    std::string got;
    bool returned = false;
    bool over = false;
    on.run(
        [&]() -> task<> {
            auto protocol = [&](stream peer) -> task<> {
                const bool sent = handed.try_send(std::move(peer));
                CHECK(sent);
                co_await on.settle();
                returned = true;
            };
            auto owner = [&]() -> task<> {
                std::optional<stream> mine = co_await handed.receive();
                co_await mine->write(text);
                co_await on.until([&] { return returned; });
                co_await on.settle();
                co_await mine->write("more");
                mine.reset();
                co_await on.until([&] { return over; });
            };
            bight::listener l = bight::listen(on.new_endpoint());
            where = test::endpoint_to(l.local());
            bight::serve_options options;
            options.drain = 0ms;
            auto server = bight::serve(std::move(l), options, protocol);
            co_await bight::when_any(std::move(server), owner());
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            stream peer = co_await bight::connect(where);
            co_await on.until([&] { return returned; });
            got = co_await rest(peer);
            over = true;
        });
    CHECK((got == text + "more, end"));
}

TEST_CASE("serve: the drain bounds what connections that have ended still have to say") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string text = pattern(0, on.more_than_buffers());
    std::string where;
    bool left = false;
    bool over = false;
    std::string got;
    on.run(
        [&]() -> task<> {
            auto protocol = [&](stream peer) -> task<> {
                outbox out(peer, room_for(text.size()));
                CHECK(out.send(text));
                left = true;
                co_return;
            };
            bight::listener l = bight::listen(on.new_endpoint());
            where = test::endpoint_to(l.local());
            bight::serve_options options;
            options.drain = on.moment();
            options.close_deadline = 1h;
            auto server = bight::serve(std::move(l), options, protocol);
            auto stop = [&]() -> task<> {
                co_await on.until([&] { return left; });
                co_await on.settle();
            };
            co_await bight::when_any(std::move(server), stop());
            over = true;
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            stream peer = co_await bight::connect(where);
            co_await on.until([&] { return over; });
            co_await on.settle();
            got = co_await rest(peer);
        });
    CHECK(over);
    CHECK(got.ends_with(cut_off(on)));
    CHECK(got.size() < text.size());
}

TEST_CASE("any number of outboxes on one stream are written, in the order in which they came") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string large = pattern(0, on.more_than_buffers());
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            stream mine = std::move(peer);
            outbox first(mine, room_for(large.size()));
            outbox second(mine);
            outbox third(mine);
            outbox fourth(mine);
            CHECK(first.send(large));
            CHECK(second.send("two"));
            CHECK(third.send("three"));
            CHECK(fourth.send("four"));
            co_await third.flush();
        },
        [&](stream& peer) -> task<> {
            co_await on.settle();
            got = co_await rest(peer);
        });
    CHECK((got == large + "twothreefour, end"));
}

TEST_CASE("a write that is cut short while close waits for it ends in a reset, and close says so") {
    place_fixture on(GENERATE(from_range(test::places())));
    const bool only_writing = GENERATE(false, true);
    const std::string text = pattern(0, on.more_than_buffers());
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            stream mine = std::move(peer);
            auto write = [&]() -> task<> {
                const bool whole = co_await bight::try_with_timeout(mine.write(text), 2 * on.moment());
                CHECK_FALSE(whole);
            };
            auto end = [&]() -> task<> {
                co_await on.settle();
                std::error_code error;
                if (only_writing) {
                    error = co_await error_of(mine.shutdown_write(1h));
                } else {
                    error = co_await error_of(mine.close(1h));
                }
                CHECK(error == errc::aborted);
            };
            co_await bight::when_all(write(), end());
        },
        [&](stream& peer) -> task<> {
            for (int i = 0; i < 4; ++i) co_await on.settle();
            got = co_await rest(peer);
        });
    CHECK(got.ends_with(cut_off(on)));
    CHECK(got.size() < text.size());
}

TEST_CASE("serve: a stream that was handed on and is being closed elsewhere is not the server's") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string text = pattern(0, on.more_than_buffers());
    std::string where;
    std::string got;
    bool stopped = false;
    bool over = false;
    on.run(
        [&]() -> task<> {
            auto other = [&](stream mine) -> task<> {
                auto write = [&]() -> task<> { co_await mine.write(text); };
                auto close = [&]() -> task<> {
                    co_await bight::yield();
                    co_await mine.close(1h);
                };
                co_await bight::when_all(write(), close());
                over = true;
            };
            auto protocol = [&](stream peer) -> task<> {
                bight::reactor::current()->start(other, std::move(peer));
                co_await on.settle();
            };
            bight::listener l = bight::listen(on.new_endpoint());
            where = test::endpoint_to(l.local());
            bight::serve_options options;
            options.drain = 2 * on.moment();
            auto server = bight::serve(std::move(l), options, protocol);
            const bool ended = co_await bight::try_with_timeout(std::move(server), 3 * on.moment());
            CHECK_FALSE(ended);
            stopped = true;
            co_await on.until([&] { return over; });
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            stream peer = co_await bight::connect(where);
            co_await on.until([&] { return stopped; });
            got = co_await rest(peer);
        });
    CHECK((got == text + ", end"));
}
