// channel::reserve: a place that is kept, so that what is put into it arrives.
#include <bight/core/group.hpp>
#include <bight/core/result.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/sync/channel.hpp>

#include "all_is_quiet.hpp"
#include "noted.hpp"

#include "support/cancellable.hpp"
#include "support/death.hpp"
#include "support/fickle.hpp"
#include "support/reactors.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using bight::channel;
using bight::channel_place;
using bight::task;
using test::all_is_quiet;
using test::fickle;
using test::log_of;
using test::receive_all;
using test::send_and_note;
using namespace std::chrono_literals;

namespace {

task<> reserve_and_note(channel<int>& ch, int value, log_of& log) {
    auto place = co_await ch.reserve();
    log.push_back(value);
    place.send(value);
}

}  // namespace

TEST_CASE("a place keeps its room from those who send, until it is used") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    log_of log;
    on.run([&]() -> task<> {
        channel<int> ch(2);
        auto first = co_await ch.reserve();
        auto second = co_await ch.reserve();
        CHECK(ch.empty());
        CHECK_FALSE(ch.try_send(9));
        CHECK_FALSE(ch.try_reserve());
        second.send(1);  // the order is that of sending
        CHECK_FALSE(ch.try_send(9));
        first.send(2);
        CHECK_FALSE(first);
        CHECK(ch.size() == 2);
        CHECK(ch.try_receive() == 1);
        CHECK(ch.try_send(3));
        ch.close();
        co_await receive_all(ch, log);
    });
    CHECK(log == log_of{2, 3});
}

TEST_CASE("those who wait for a place stand in line with those who wait to send") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        channel<int> ch(1);
        CHECK(ch.try_send(0));
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(send_and_note, std::ref(ch), 1, std::ref(log));
            g.spawn(reserve_and_note, std::ref(ch), 2, std::ref(log));
            g.spawn(send_and_note, std::ref(ch), 3, std::ref(log));
            g.spawn(reserve_and_note, std::ref(ch), 4, std::ref(log));
            co_await all_is_quiet();
            CHECK(log.empty());
            for (int i = 0; i <= 4; ++i) {
                CHECK(ch.try_receive() == i);
                co_await all_is_quiet();  // whoever got the place fills it
            }
        });
    });
    CHECK(log == log_of{1, 2, 3, 4});
}

TEST_CASE("a place that goes unused is the next one's in line") {
    test::virtual_fixture on;
    const bool by_hand = GENERATE(true, false);
    log_of log;
    on.run([&]() -> task<> {
        channel<int> ch(1);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            {
                auto place = co_await ch.reserve();
                g.spawn(send_and_note, std::ref(ch), 1, std::ref(log));
                g.spawn(reserve_and_note, std::ref(ch), 2, std::ref(log));
                co_await all_is_quiet();
                CHECK(log.empty());
                if (by_hand) {
                    place.release();
                    place.release();
                    CHECK_FALSE(place);
                }
            }
            co_await all_is_quiet();
            CHECK(log == log_of{1});
            CHECK(ch.try_receive() == 1);
        });
        CHECK(ch.try_receive() == 2);
    });
    CHECK(log == log_of{1, 2});
}

TEST_CASE("a cancelled wait for a place keeps none, and one that was granted goes back with its task") {
    test::virtual_fixture on;
    const bool granted = GENERATE(true, false);
    bool reached = false;
    on.run([&]() -> task<> {
        channel<int> ch(1);
        CHECK(ch.try_send(1));
        test::cancellable one;
        auto waits = [&]() -> task<> {
            auto place = co_await ch.reserve();
            reached = true;
            co_await bight::yield();  // where it is cancelled, with the place
            place.send(2);
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&] { return one.run(waits()); });
            co_await all_is_quiet();
            if (granted) CHECK(ch.try_receive() == 1);
            one.cancel();
            if (granted) CHECK_FALSE(ch.try_send(3));  // it has it still
            co_await all_is_quiet();
            if (!granted) CHECK(ch.try_receive() == 1);
            CHECK(ch.try_send(3));
            CHECK_FALSE(ch.try_send(4));
        });
    });
    CHECK(reached == granted);
}

TEST_CASE("with places, a sender that is cut short again and again loses no value") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    log_of log;
    constexpr int values = 200;
    on.run([&]() -> task<> {
        channel<int> ch(2);
        auto consume = [&]() -> task<> {
            while (auto value = co_await ch.receive()) {
                log.push_back(*value);
                co_await bight::yield();
                if (*value % 7 == 0) co_await test::turns(9);
            }
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(consume);
            int next = 0;
            auto send_some = [&](bight::group& h) -> task<> {
                h.spawn([&h]() -> task<> {
                    co_await test::turns(3);
                    h.cancel();
                });
                while (next < values) {
                    auto place = co_await ch.reserve();
                    place.send(next++);
                }
            };
            while (next < values) co_await bight::with_group(send_some);
            ch.close();
        });
    });
    REQUIRE(log.size() == values);
    for (int i = 0; i < values; ++i) CHECK(log[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("what is sent through a place reaches the receiver that has waited longest") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        channel<int> ch(1);
        auto place = ch.try_reserve();
        REQUIRE(place);
        auto receive = [&](int who) -> task<> {
            const auto value = co_await ch.receive();
            log.push_back(100 * who + value.value_or(-1));
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(receive, 1);
            g.spawn(receive, 2);
            g.spawn(receive, 3);
            co_await all_is_quiet();
            CHECK(ch.try_send(7));  // though all room is kept: somebody waits for it
            place->send(8);
            CHECK(ch.empty());
            CHECK(ch.try_send(9));
        });
        CHECK(ch.try_send(1));
    });
    CHECK(log == log_of{107, 208, 309});
}

TEST_CASE("values arrive through places that were kept when the channel was closed") {
    test::virtual_fixture on;
    const bool waits_before = GENERATE(true, false);
    log_of log;
    bool ended = false;
    on.run([&]() -> task<> {
        channel<int> ch(3);
        CHECK(ch.try_send(1));
        auto used = ch.try_reserve();
        auto unused = ch.try_reserve();
        auto receive = [&]() -> task<> {
            co_await receive_all(ch, log);
            ended = true;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            if (waits_before) g.spawn(receive);
            co_await all_is_quiet();
            ch.close();
            if (!waits_before) g.spawn(receive);
            CHECK_FALSE(ch.try_reserve());
            co_await all_is_quiet();
            CHECK_FALSE(ended);
            used->send(2);
            co_await all_is_quiet();
            CHECK(log == log_of{1, 2});
            CHECK_FALSE(ended);
            unused.reset();
            co_await all_is_quiet();
            CHECK(ended);
        });
    });
}

TEST_CASE("closing ends the wait for a place, as an error or as a result") {
    test::virtual_fixture on;
    std::error_code thrown;
    std::error_code given;
    on.run([&]() -> task<> {
        channel<int> ch(1);
        CHECK(ch.try_send(1));
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                try {
                    const auto place = co_await ch.reserve();
                } catch (const std::system_error& e) {
                    thrown = e.code();
                }
            });
            g.spawn([&]() -> task<> {
                const auto place = co_await bight::as_result(ch.reserve());
                given = place.error();
            });
            co_await all_is_quiet();
            ch.close();
        });
        const auto late = co_await bight::as_result(ch.reserve());
        CHECK(late.error() == bight::errc::closed);
        channel<int> open(1);
        auto got = co_await bight::as_result(open.reserve());
        REQUIRE(got.has_value());
        (*got).send(4);
        CHECK(open.try_receive() == 4);
    });
    CHECK(thrown == bight::errc::closed);
    CHECK(given == bight::errc::closed);
}

TEST_CASE("a time-out around reserve leaves the channel as it was") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        channel<int> ch(1);
        CHECK(ch.try_send(1));
        const auto late = co_await bight::try_with_timeout(ch.reserve(), 5ms);
        CHECK_FALSE(late);
        CHECK(ch.try_receive() == 1);
        auto place = co_await bight::with_timeout(ch.reserve(), 5ms);
        CHECK_FALSE(ch.try_send(2));
        place.send(3);
        CHECK(ch.try_receive() == 3);
    });
}

TEST_CASE("a place moves, and is used once") {
    channel<int> ch(2);
    auto one = ch.try_reserve();
    auto other = ch.try_reserve();
    channel_place<int> moved = std::move(*one);
    CHECK(moved);
    CHECK_FALSE(*one);
    CHECK_THROWS_AS(one->send(1), std::logic_error);
    moved = std::move(*other);  // the place that it had goes back
    CHECK(ch.try_send(1));
    CHECK_FALSE(ch.try_send(2));
    moved.send(2);
    CHECK_THROWS_AS(moved.send(3), std::logic_error);
    CHECK(ch.size() == 2);
}

TEST_CASE("a move that throws leaves the place kept, and sends nothing") {
    fickle::living = 0;
    {
        channel<fickle> ch(1);
        auto place = ch.try_reserve();
        fickle value(4);
        fickle::moves_left = 0;
        CHECK_THROWS_AS(place->send(std::move(value)), std::runtime_error);
        CHECK(*place);
        CHECK(ch.empty());
        CHECK_FALSE(ch.try_send(5));
        place->send(std::move(value));
        CHECK(ch.try_receive()->value == 4);
    }
    CHECK(fickle::living == 0);
}

TEST_CASE("a channel without a buffer has no place to keep") {
    channel<int> ch;
    CHECK_THROWS_AS(ch.reserve(), std::logic_error);
    CHECK_THROWS_AS(ch.try_reserve(), std::logic_error);
}

TEST_CASE("destroying a channel in which a place is kept ends the program") {
    const std::string said = test::dying_words([] {
        auto ch = std::make_unique<channel<int>>(1);
        const auto place = ch->try_reserve();
        ch.reset();
    });
    CHECK_THAT(said, Catch::Contains("a channel was destroyed while a place in it is kept"));
}

TEST_CASE("the tree of tasks says who waits for a place") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        channel<int> ch(1);
        CHECK(ch.try_send(1));
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> { const auto place = co_await ch.reserve(); });
            co_await all_is_quiet();
            CHECK_THAT(on.reactor().dump_tasks(), Catch::Contains("room in a channel"));
            g.cancel();
        });
    });
}

namespace {

// Its constructors do once what they are told to.
struct meddling_number {
    explicit meddling_number(int n) : number(n) { meddle(); }
    meddling_number(meddling_number&& other) : number(other.number) { meddle(); }
    static inline std::function<void()> what;
    static void meddle() {
        if (what) std::exchange(what, nullptr)();
    }
    int number;
};

}  // namespace

TEST_CASE("a place that a constructor gives back while its value is handed on is the first one's in line") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    on.run([]() -> task<> {
        channel<meddling_number> ch(1);
        std::optional<channel_place<meddling_number>> place = ch.try_reserve();
        int received = 0;
        bool reserved = false;
        const auto receive = [&]() -> task<> {
            const auto value = co_await ch.receive();
            received = value ? value->number : -1;
        };
        const auto reserve = [&]() -> task<> {
            const auto mine = co_await ch.reserve();
            reserved = true;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(receive);
            co_await all_is_quiet();
            g.spawn(reserve);
            co_await all_is_quiet();
            meddling_number::what = [&] { place->release(); };
            const bool sent = ch.try_send(7);
            CHECK(sent);
            co_await all_is_quiet();
        });
        CHECK(received == 7);
        CHECK(reserved);
    });
}
