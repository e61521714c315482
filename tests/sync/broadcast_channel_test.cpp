#include "all_is_quiet.hpp"

#include "support/cancellable.hpp"
#include "support/death.hpp"
#include "support/reactors.hpp"
#include "support/thread_sanitizer.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/sync/broadcast_channel.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using bight::broadcast_channel;
using bight::broadcast_receiver;
using bight::task;
using test::all_is_quiet;
using namespace std::chrono_literals;

namespace {

using log_of = std::vector<int>;

// Notes each value, and before it how many were missed, as a negative number.
task<> note_all(broadcast_receiver<int>& from, log_of& log) {
    while (auto value = co_await from.receive()) {
        if (value.missed() > 0) log.push_back(-static_cast<int>(value.missed()));
        log.push_back(*value);
    }
}

log_of take_all(broadcast_receiver<int>& from) {
    log_of log;
    while (auto value = from.try_receive()) {
        if (value.missed() > 0) log.push_back(-static_cast<int>(value.missed()));
        log.push_back(*value);
    }
    return log;
}

// Counts itself and its copies, and throws from the next copy when it is told to.
class copied {
  public:
    explicit copied(int v) : value(v) { ++living; }
    copied(const copied& other) : value(other.value) {
        if (throws) {
            throws = false;
            throw std::runtime_error("not copied");
        }
        ++living;
        ++copies;
    }
    copied(copied&& other) noexcept : value(other.value) { ++living; }
    ~copied() { --living; }

    int value;
    static inline int living = 0;
    static inline int copies = 0;
    static inline bool throws = false;
};

}  // namespace

TEST_CASE("every receiver gets every value that is sent after it subscribed, in order") {
    test::virtual_fixture on;
    log_of early;
    log_of late;
    on.run([&]() -> task<> {
        broadcast_channel<int> ch(8);
        CHECK(ch.capacity() == 8);
        CHECK(ch.receivers() == 0);
        CHECK(ch.send(0) == 0);  // nobody is there
        auto first = ch.subscribe();
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(note_all, std::ref(first), std::ref(early));
            CHECK(ch.send(1) == 1);
            co_await all_is_quiet();
            CHECK(early == log_of{1});
            auto second = ch.subscribe();
            CHECK(ch.receivers() == 2);
            co_await bight::with_group([&](bight::group& inner) -> task<> {
                inner.spawn(note_all, std::ref(second), std::ref(late));
                co_await all_is_quiet();
                CHECK(ch.send(2) == 2);
                CHECK(ch.send(3) == 2);
                CHECK(late.empty());  // in the next turn
                co_await all_is_quiet();
                ch.close();
            });
        });
    });
    CHECK(early == log_of{1, 2, 3});
    CHECK(late == log_of{2, 3});
}

TEST_CASE("receivers that wait go on in the order in which they came") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        broadcast_channel<int> ch(1);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto waits = [&](int who) -> task<> {
                auto from = ch.subscribe();
                const auto value = co_await from.receive();
                log.push_back(100 * who + *value);
            };
            for (int who = 1; who <= 3; ++who) g.spawn(waits, who);
            co_await all_is_quiet();
            ch.send(5);
        });
        CHECK(ch.receivers() == 0);
    });
    CHECK(log == log_of{105, 205, 305});
}

TEST_CASE("a receiver that is too slow learns how many it missed, and goes on with the oldest kept") {
    const int capacity = GENERATE(1, 2, 3, 4, 5, 8);
    const int sent = GENERATE(1, 2, 3, 4, 5, 8, 9, 100);
    broadcast_channel<int> ch(static_cast<std::size_t>(capacity));
    auto slow = ch.subscribe();
    auto quick = ch.subscribe();
    log_of seen_quickly;
    log_of all;
    for (int i = 0; i < sent; ++i) {
        ch.send(i);
        for (const int value : take_all(quick)) seen_quickly.push_back(value);
        all.push_back(i);
    }
    CHECK(slow.pending() == static_cast<std::uint64_t>(sent));
    CHECK(quick.pending() == 0);
    CHECK(seen_quickly == all);

    log_of expected;
    const int missed = sent > capacity ? sent - capacity : 0;
    if (missed > 0) expected.push_back(-missed);
    for (int i = missed; i < sent; ++i) expected.push_back(i);
    CHECK(take_all(slow) == expected);
    CHECK(slow.pending() == 0);
    ch.send(1000);
    CHECK(take_all(slow) == log_of{1000});  // nothing more is missed
}

TEST_CASE("a task that waits, and is overrun before it goes on, is told so too") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        broadcast_channel<int> ch(2);
        auto from = ch.subscribe();
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(note_all, std::ref(from), std::ref(log));
            co_await all_is_quiet();
            for (int i = 1; i <= 5; ++i) ch.send(i);
            ch.close();
        });
    });
    CHECK(log == log_of{-3, 4, 5});
}

TEST_CASE("after close, receivers get what is left and then the end, and sending fails") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        broadcast_channel<int> ch(4);
        auto from = ch.subscribe();
        auto idle = ch.subscribe();
        ch.send(1);
        ch.send(2);
        ch.close();
        ch.close();
        CHECK(from.closed());
        CHECK_FALSE(ch.try_send(3));
        std::error_code code;
        try {
            ch.send(3);
        } catch (const std::system_error& e) {
            code = e.code();
        }
        CHECK(code == bight::errc::closed);
        co_await note_all(from, log);
        CHECK_FALSE(from.try_receive());
        auto late = ch.subscribe();
        const auto none = co_await late.receive();
        CHECK_FALSE(none);

        auto kept = co_await bight::as_result(idle.receive());
        CHECK(**kept == 1);
        CHECK(idle.try_receive().has_value());
        const auto end = co_await bight::as_result(idle.receive());
        CHECK(end.error() == bight::errc::closed);
    });
    CHECK(log == log_of{1, 2});
}

TEST_CASE("receivers may outlive the channel, whose destruction closes it") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        auto ch = std::make_unique<broadcast_channel<int>>(4);
        auto behind = ch->subscribe();
        auto waiting = ch->subscribe();
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(note_all, std::ref(waiting), std::ref(log));
            co_await all_is_quiet();
            ch->send(1);
            ch.reset();
        });
        CHECK(take_all(behind) == log_of{1});
        CHECK(behind.closed());
    });
    CHECK(log == log_of{1});
}

TEST_CASE("a cancelled receive has received nothing, and one that was served goes on") {
    test::virtual_fixture on;
    const int which = GENERATE(0, 1, 2);
    const bool served_first = GENERATE(false, true);
    log_of log;
    on.run([&]() -> task<> {
        broadcast_channel<int> ch(4);
        auto a = ch.subscribe();
        auto b = ch.subscribe();
        auto c = ch.subscribe();
        broadcast_receiver<int>* const each[] = {&a, &b, &c};
        test::cancellable one[3];
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 3; ++i) {
                auto waits = [&, i]() -> task<> {
                    const auto value = co_await each[i]->receive();
                    log.push_back(100 * i + *value);
                };
                g.spawn([&, i, waits] { return one[i].run(waits()); });
            }
            co_await all_is_quiet();
            if (served_first) ch.send(7);
            one[which].cancel();
            if (!served_first) ch.send(7);
        });
        log_of expected;
        for (int i = 0; i < 3; ++i) {
            if (served_first || i != which) expected.push_back(100 * i + 7);
        }
        CHECK(log == expected);
        log.clear();
        CHECK(each[which]->pending() == (served_first ? 0 : 1));
    });
}

TEST_CASE("a time-out around a receive has received nothing") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        broadcast_channel<int> ch(4);
        auto from = ch.subscribe();
        const auto none = co_await bight::try_with_timeout(from.receive(), 5ms);
        CHECK_FALSE(none);
        CHECK(on.elapsed() == 5ms);
        ch.send(1);
        CHECK(take_all(from) == log_of{1});
    });
}

TEST_CASE("one task at a time waits in a receiver; the second gets busy, and takes nothing from the first") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        broadcast_channel<int> ch(4);
        auto from = ch.subscribe();
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(note_all, std::ref(from), std::ref(log));
            co_await all_is_quiet();
            std::error_code code;
            try {
                co_await from.receive();
            } catch (const std::system_error& e) {
                code = e.code();
            }
            CHECK(code == bight::errc::busy);
            const auto refused = co_await bight::as_result(from.receive());
            CHECK(refused.error() == bight::errc::busy);
            ch.send(1);
            CHECK_FALSE(from.try_receive());  // it is the waiting task's
            ch.close();
        });
    });
    CHECK(log == log_of{1});
}

TEST_CASE("a value is copied to all receivers but the last, and dropped when everyone has it") {
    copied::copies = 0;
    {
        broadcast_channel<copied> ch(2);
        auto a = ch.subscribe();
        auto b = ch.subscribe();
        auto c = ch.subscribe();
        ch.send(1);
        CHECK(copied::living == 1);
        CHECK(a.try_receive()->value == 1);
        CHECK(b.try_receive()->value == 1);
        CHECK(copied::copies == 2);
        CHECK(c.try_receive()->value == 1);
        CHECK(copied::copies == 2);
        CHECK(copied::living == 0);

        ch.send(2);
        ch.send(3);
        ch.send(4);  // pushes out 2
        CHECK(copied::living == 2);
        CHECK(a.try_receive()->value == 3);
        CHECK(b.try_receive()->value == 3);
        {
            auto leaves = std::move(c);  // has seen neither
            CHECK(ch.receivers() == 3);
        }
        CHECK(ch.receivers() == 2);
        CHECK(copied::living == 1);
        a = ch.subscribe();  // the old subscription ends
        CHECK(ch.receivers() == 2);
        CHECK(b.try_receive()->value == 4);
        CHECK(copied::living == 0);
        ch.send(5);
    }
    CHECK(copied::living == 0);
}

TEST_CASE("a copy that throws fails the send, which sent nothing, or the receive, which may be repeated") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        broadcast_channel<copied> ch(1);
        auto a = ch.subscribe();
        auto b = ch.subscribe();
        const copied first(1);
        const copied second(2);
        ch.send(first);
        copied::throws = true;
        CHECK_THROWS_AS(ch.send(second), std::runtime_error);
        CHECK(a.pending() == 1);  // and the first, which was to go, is there
        copied::throws = true;
        bool thrown = false;
        try {
            co_await a.receive();
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        CHECK(thrown);
        const auto again = co_await a.receive();
        CHECK(again->value == 1);
        CHECK(again.missed() == 0);
        CHECK(b.try_receive()->value == 1);
    });
    CHECK(copied::living == 0);
}

TEST_CASE("a capacity of nothing is refused") {
    CHECK_THROWS_AS(broadcast_channel<int>(0), std::invalid_argument);
    CHECK_THROWS_AS(broadcast_channel<int>(static_cast<std::size_t>(-1)), std::invalid_argument);
}

TEST_CASE("a receiver that always finds values lets others run") {
    test::virtual_fixture on;
    long others = 0;
    constexpr int values = 50'000;
    on.run([&]() -> task<> {
        broadcast_channel<int> ch(values);
        auto from = ch.subscribe();
        for (int i = 0; i < values; ++i) ch.send(i);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto beside = [&]() -> task<> {
                for (;;) {
                    co_await bight::yield();
                    ++others;
                }
            };
            g.spawn(beside);
            for (int i = 0; i < values; ++i) {
                const auto value = co_await from.receive();
                if (*value != i) FAIL("out of order");
            }
            g.cancel();
        });
    });
    CHECK(others >= values / (static_cast<long>(bight::reactor::completion_budget) + 1) - 1);
}

TEST_CASE("destroying or moving a receiver in which a task waits ends the program, and names the line") {
    const bool moves = GENERATE(false, true);
    const std::string said = test::dying_words([&] {
        bight::reactor r;
        broadcast_channel<int> ch(1);
        auto from = std::make_optional(ch.subscribe());
        auto waits = [&]() -> task<> { co_await from->receive(); };
        auto body = [&](bight::group& g) -> task<> {
            g.spawn(waits);
            co_await bight::yield();
            co_await bight::yield();
            if (moves) {
                auto elsewhere = std::move(*from);
            } else {
                from.reset();
            }
        };
        auto root = [&]() -> task<> { co_await bight::with_group(body); };
        r.run(root());
    });
    CHECK_THAT(said, Catch::Contains("a receiver, or the place that it was moved from") &&
                         Catch::Contains("broadcast_channel_test.cpp"));
}

TEST_CASE("a broadcast channel and its receivers may go on the thread that has joined the reactor's") {
    std::optional<bight::broadcast_receiver<int>> left;
    broadcast_channel<int> ch(2);
    std::thread other([&] {
        bight::reactor r;
        r.run([&]() -> task<> {
            left.emplace(ch.subscribe());
            ch.send(1);
            const auto value = co_await left->receive();
            CHECK(*value == 1);
            ch.send(2);
        }());
    });
    other.join();
    left.reset();
}  // and the channel

#ifndef NDEBUG
TEST_CASE("a receiver of a broadcast channel that goes within another reactor ends the program") {
    if (!test::forked_children_have_threads) test::skip("ThreadSanitizer: no threads in a forked child");
    const std::string said = test::dying_words([] {
        bight::reactor r;
        broadcast_channel<int> ch(2);
        std::optional<bight::broadcast_receiver<int>> from;
        r.run([&]() -> task<> {
            from.emplace(ch.subscribe());
            co_return;
        }());
        std::thread([&] {
            bight::reactor other;
            other.run([&]() -> task<> {
                from.reset();
                co_return;
            }());
        }).join();
    });
    CHECK_THAT(said, Catch::Contains("a broadcast channel was used from another thread"));
}
#endif
