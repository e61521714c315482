// Who closes goes on reading, and writes no more: the same on every demultiplexer and in a simulated world. A
// peer that is still writing would else never come to read what is said to it.
#include "outbox_room.hpp"

#include "support/catch.hpp"
#include "support/places.hpp"

#include <bight/bight.hpp>

#include <cerrno>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::errc;
using bight::outbox;
using bight::overflow_policy;
using bight::stream;
using bight::task;
using test::error_of;
using test::from_errno;
using test::pattern;
using test::place_fixture;
using test::rest;
using test::room_for;

namespace {

// In a rough world it goes in pieces of a byte, each of which may be late.
constexpr auto long_enough = 10min;

// More than the buffers take, in one direction after the other.
std::string too_much(const place_fixture& on) {
    return pattern(1, on.at().rough ? std::size_t{600'000} : on.more_than_buffers());
}

}  // namespace

TEST_CASE("an answer that no buffer takes arrives whole, though its peer reads only when it has asked all") {
    place_fixture on(GENERATE(from_range(test::places())));
    const bool dropped = GENERATE(false, true);
    CAPTURE(dropped);
    const std::string answer = too_much(on);
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            stream mine = std::move(peer);
            mine.set_close_deadline(long_enough);
            const auto first = co_await mine.read_some();
            outbox out(mine, room_for(answer.size()));
            CHECK(out.send(answer));
            if (!dropped) co_await mine.close(long_enough);
        },
        [&](stream& peer) -> task<> {
            const auto error = co_await error_of(peer.write(too_much(on)));
            CHECK(!error);
            got = co_await rest(peer);
        });
    CHECK((got == answer + ", end"));
    CHECK(on.take_log().empty());
}

TEST_CASE("two ends that close with more to say than the buffers take keep each other from nothing") {
    place_fixture on(GENERATE(from_range(test::places())));
    const bool dropped = GENERATE(false, true);
    CAPTURE(dropped);
    const auto say_and_close = [&](stream& peer) -> task<> {
        stream mine = std::move(peer);
        mine.set_close_deadline(long_enough);
        outbox out(mine, room_for(on.more_than_buffers()));
        CHECK(out.send(too_much(on)));
        if (!dropped) co_await mine.close(long_enough);
    };
    on.run_pair(say_and_close, say_and_close);
    CHECK(on.take_log().empty());
}

TEST_CASE("a read that waits ends with closed as soon as close is called, and so does one that begins then") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string text = too_much(on);
    bool told = false;
    bool closed = false;
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            outbox out(peer, room_for(text.size()));
            CHECK(out.send(text));
            auto read = [&]() -> task<> {
                const auto waited = co_await error_of(peer.read_some());
                CHECK(waited == errc::closed);
                CHECK_FALSE(closed);  // there is still something to say
                const auto begun = co_await error_of(peer.read_some());
                CHECK(begun == errc::closed);
                const auto of_nothing = co_await error_of(peer.read_some(bight::mutable_buffer()));
                CHECK(of_nothing == errc::closed);
                told = true;
            };
            auto close = [&]() -> task<> {
                co_await on.settle();
                co_await peer.close(long_enough);
                closed = true;
            };
            co_await bight::when_all(read(), close());
        },
        [&](stream& peer) -> task<> {
            co_await on.until([&] { return told; });
            co_await peer.write("which nobody reads any more");
            got = co_await rest(peer);
        });
    CHECK((got == text + ", end"));
}

TEST_CASE("a read that is cancelled while its stream closes is cancelled") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string text = too_much(on);
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            outbox out(peer, room_for(text.size()));
            CHECK(out.send(text));
            bool read_on = false;
            auto read = [&]() -> task<> {
                (void)co_await error_of(peer.read_some());
                co_await bight::sleep_for(1h);
                read_on = true;
            };
            auto close = [&]() -> task<> {
                co_await on.settle();
                co_await peer.close(long_enough);
            };
            auto both_ways = [&](bight::group& g) -> task<> {
                g.spawn([&]() -> task<> { co_await bight::when_any(read(), on.settle()); });
                co_await close();
            };
            co_await bight::with_group(both_ways);
            CHECK_FALSE(read_on);
        },
        [&](stream& peer) -> task<> {
            co_await on.settle();
            co_await on.settle();
            got = co_await rest(peer);
        });
    CHECK((got == text + ", end"));
}

TEST_CASE("a peer that has ended its side still gets all of what is left for it") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string text = too_much(on);
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            stream mine = std::move(peer);
            const auto first = co_await mine.read_some();
            outbox out(mine, room_for(text.size()));
            CHECK(out.send(text));
            co_await mine.close(long_enough);
        },
        [&](stream& peer) -> task<> {
            co_await peer.write("question");
            co_await peer.shutdown_write();
            co_await on.settle();
            co_await on.settle();  // its end is read long since
            got = co_await rest(peer);
        });
    CHECK((got == text + ", end"));
}

TEST_CASE("a peer that resets while the rest goes out to it: close says so") {
    place_fixture on(GENERATE(from_range(test::tcp_places())));
    const std::string text = pattern(1, on.more_than_buffers());
    bool closing = false;
    on.run_pair(
        [&](stream& peer) -> task<> {
            outbox out(peer, room_for(text.size()));
            CHECK(out.send(text));
            closing = true;
            const auto error = co_await error_of(peer.close(long_enough));
            CHECK((error == from_errno(ECONNRESET) || error == from_errno(EPIPE)));
            CHECK_FALSE(peer.is_open());
        },
        [&](stream& peer) -> task<> {
            co_await on.until([&] { return closing; });
            co_await on.settle();
            peer.abort();
        });
}

TEST_CASE("a peer that sends for ever and never reads is reset at the deadline of close") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string text = pattern(0, on.more_than_buffers());
    std::error_code of_the_peer;
    on.run_pair(
        [&](stream& peer) -> task<> {
            outbox out(peer, room_for(text.size()));
            CHECK(out.send(text));
            const auto error = co_await error_of(peer.close(on.moment()));
            CHECK(error == errc::timed_out);
            CHECK_FALSE(peer.is_open());
        },
        [&](stream& peer) -> task<> {
            while (!of_the_peer) {
                of_the_peer = co_await error_of(peer.write(pattern(0, 1000)));
                co_await bight::sleep_for(1ms);
            }
        });
    CHECK((of_the_peer == from_errno(ECONNRESET) || of_the_peer == from_errno(EPIPE)));
}

TEST_CASE("what comes while shutdown_write waits is there for the next read") {
    place_fixture on(GENERATE(from_range(test::places())));
    const std::string text = too_much(on);
    const std::string question = pattern(2, 3000);
    bool written = false;
    std::string asked;
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            outbox out(peer, room_for(text.size()));
            CHECK(out.send(text));
            co_await on.until([&] { return written; });
            co_await peer.shutdown_write(long_enough);
            asked = co_await rest(peer);
        },
        [&](stream& peer) -> task<> {
            co_await peer.write(question);
            written = true;
            for (int i = 0; i < 3; ++i) co_await on.settle();
            got = co_await rest(peer);
            co_await peer.close();
        });
    CHECK((asked == question + ", end"));
    CHECK((got == text + ", end"));
}

TEST_CASE("a push that begins after the end has begun fails with closed, and the peer gets nothing of it") {
    place_fixture on(GENERATE(from_range(test::places())));
    const bool half = GENERATE(false, true);
    CAPTURE(half);
    const std::string text = too_much(on);
    bool tried = false;
    bool ended = false;
    std::string got;
    on.run_pair(
        [&](stream& peer) -> task<> {
            outbox out(peer, room_for(2 * text.size(), overflow_policy::wait));
            outbox other(peer);
            CHECK(out.send(text));
            auto end = [&]() -> task<> {
                if (half) {
                    co_await peer.shutdown_write(long_enough);
                } else {
                    co_await peer.close(long_enough);
                }
                ended = true;
            };
            auto late = [&]() -> task<> {
                co_await on.settle();
                CHECK_FALSE(ended);
                for (outbox* const to : {&out, &other}) {
                    const auto pushed = co_await error_of(to->push("too late"));
                    CHECK(pushed == errc::closed);
                    CHECK_FALSE(to->send("too late"));
                }
                const auto written = co_await error_of(peer.write("too late"));
                CHECK(written == errc::closed);
                tried = true;
                co_await out.flush();  // which is no write
                const auto after = co_await error_of(out.push("too late"));
                CHECK(after == errc::closed);
            };
            co_await bight::when_all(end(), late());
        },
        [&](stream& peer) -> task<> {
            co_await on.until([&] { return tried; });
            got = co_await rest(peer);
            co_await peer.close();
        });
    CHECK((got == text + ", end"));
}

TEST_CASE("tasks that push and push keep no end from coming: what waited when it began is sent, no more") {
    place_fixture on(GENERATE(from_range(test::places())));
    const bool half = GENERATE(false, true);
    CAPTURE(half);
    const std::string text = too_much(on);
    bool ending = false;
    std::string got;
    int pushed = 0;
    on.run_pair(
        [&](stream& peer) -> task<> {
            outbox out(peer, room_for(text.size(), overflow_policy::wait));
            CHECK(out.send(text));
            auto push = [&]() -> task<> {
                std::error_code error;
                while (!error) {
                    error = co_await error_of(out.push("waited"));
                    if (!error) ++pushed;
                }
                CHECK(error == errc::closed);
            };
            auto end = [&]() -> task<> {
                co_await on.settle();
                CHECK(pushed == 0);
                ending = true;
                if (half) {
                    co_await peer.shutdown_write(long_enough);
                } else {
                    co_await peer.close(long_enough);
                }
            };
            co_await bight::when_all(push(), push(), end());
        },
        [&](stream& peer) -> task<> {
            co_await on.until([&] { return ending; });
            got = co_await rest(peer);
            co_await peer.close();
        });
    CHECK(pushed == 2);
    REQUIRE(got.size() >= text.size());
    CHECK(got.substr(text.size()) == "waitedwaited, end");
    CHECK(got.starts_with(text));
}
