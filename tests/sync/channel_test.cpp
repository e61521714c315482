#include "all_is_quiet.hpp"
#include "noted.hpp"

#include "support/cancellable.hpp"
#include "support/death.hpp"
#include "support/fickle.hpp"
#include "support/reactors.hpp"

#include <bight/core/group.hpp>
#include <bight/core/result.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/sync/channel.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

using bight::channel;
using bight::task;
using test::all_is_quiet;
using test::fickle;
using test::log_of;
using test::receive_all;
using test::send_and_note;
using namespace std::chrono_literals;

namespace {

task<> receive_and_note(channel<int>& ch, int who, log_of& log) {
    auto value = co_await ch.receive();
    log.push_back(100 * who + value.value_or(-1));
}

task<std::error_code> error_of_send(channel<int>& ch, int value) {
    std::error_code code;
    try {
        co_await ch.send(value);
    } catch (const std::system_error& e) {
        code = e.code();
    }
    co_return code;
}

}  // namespace

TEST_CASE("each value reaches one receiver, and those of one sender stay in order, at any capacity") {
    test::virtual_fixture on;
    const std::size_t capacity = GENERATE(as<std::size_t>(), 0, 1, 2, 64, 65, bight::unbounded);
    constexpr int each = 500;
    std::map<int, int> seen;
    int disorders = 0;
    on.run([&]() -> task<> {
        channel<int> ch(capacity);
        CHECK(ch.capacity() == capacity);
        auto produce = [&](int who) -> task<> {
            for (int i = 0; i < each; ++i) {
                co_await ch.send(who * each + i);
                CHECK(ch.size() <= capacity);
            }
        };
        auto consume = [&]() -> task<> {
            std::map<int, int> last;
            while (auto value = co_await ch.receive()) {
                ++seen[*value];
                int& before = last[*value / each];
                if (*value % each < before) ++disorders;
                before = *value % each;
            }
        };
        auto producers = [&](bight::group& g) -> task<> {
            for (int who = 0; who < 3; ++who) g.spawn(produce, who);
            co_return;
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(consume);
            g.spawn(consume);
            co_await bight::with_group(producers);
            ch.close();
        });
        CHECK(ch.empty());
    });
    CHECK(disorders == 0);
    CHECK(seen.size() == std::size_t{3} * each);
    for (const auto& [value, times] : seen) CHECK(times == 1);
}

TEST_CASE("without a buffer a send waits until the value has been received") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        channel<int> ch;
        CHECK_FALSE(ch.try_send(9));
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(send_and_note, std::ref(ch), 1, std::ref(log));
            g.spawn(send_and_note, std::ref(ch), 2, std::ref(log));
            co_await all_is_quiet();
            CHECK(log.empty());
            CHECK(ch.size() == 0);
            const auto first = co_await ch.receive();
            CHECK(first == 1);
            CHECK(log.empty());  // the sender goes on in the next turn
            co_await bight::yield();
            CHECK(log == log_of{1});
            CHECK(ch.try_receive() == 2);
            CHECK(ch.try_receive() == std::nullopt);
        });
    });
    CHECK(log == log_of{1, 2});
}

TEST_CASE("a send waits while the buffer is full, and nobody overtakes it") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        channel<int> ch(2);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 1; i <= 4; ++i) g.spawn(send_and_note, std::ref(ch), i, std::ref(log));
            co_await all_is_quiet();
            CHECK(log == log_of{1, 2});
            CHECK(ch.size() == 2);
            CHECK_FALSE(ch.try_send(9));
            CHECK(ch.try_receive() == 1);
            CHECK(ch.size() == 2);        // what waited is in already
            CHECK_FALSE(ch.try_send(9));  // and the room is gone
            for (int i = 2; i <= 4; ++i) {
                const auto value = co_await ch.receive();
                CHECK(value == i);
            }
            CHECK(ch.try_send(5));
        });
        CHECK(ch.size() == 1);
    });
    CHECK(log == log_of{1, 2, 3, 4});
}

TEST_CASE("receivers are served in the order in which they came, and never inside the send") {
    test::virtual_fixture on;
    const std::size_t capacity = GENERATE(as<std::size_t>(), 0, 1, bight::unbounded);
    log_of log;
    on.run([&]() -> task<> {
        channel<int> ch(capacity);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int who = 1; who <= 3; ++who) g.spawn(receive_and_note, std::ref(ch), who, std::ref(log));
            co_await all_is_quiet();
            for (int i = 1; i <= 3; ++i) CHECK(ch.try_send(i));
            CHECK(ch.empty());
            CHECK(log.empty());
            log.push_back(0);
        });
    });
    CHECK(log == log_of{0, 101, 202, 303});
}

TEST_CASE("a value that was handed to one receiver is not taken by another that runs before it") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        channel<int> ch(4);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(receive_and_note, std::ref(ch), 1, std::ref(log));
            co_await all_is_quiet();
            CHECK(ch.try_send(1));
            CHECK(ch.try_receive() == std::nullopt);
        });
    });
    CHECK(log == log_of{101});
}

TEST_CASE("a cancelled receive takes nothing, and the others keep their order") {
    test::virtual_fixture on;
    const int which = GENERATE(0, 1, 2);
    log_of log;
    log_of expected;
    on.run([&]() -> task<> {
        channel<int> ch;
        test::cancellable one[3];
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 3; ++i) {
                g.spawn([&, i] { return one[i].run(receive_and_note(ch, i, log)); });
            }
            co_await all_is_quiet();
            one[which].cancel();
            for (int i = 0, value = 1; i < 3; ++i) {
                if (i == which) continue;
                expected.push_back(100 * i + value);
                CHECK(ch.try_send(value++));
            }
            CHECK_FALSE(ch.try_send(9));
        });
    });
    CHECK(log == expected);
}

TEST_CASE("a cancelled send delivers nothing, and the others keep their order") {
    test::virtual_fixture on;
    const int which = GENERATE(1, 2, 3);
    const std::size_t capacity = GENERATE(as<std::size_t>(), 0, 1);
    log_of log;
    log_of expected;
    on.run([&]() -> task<> {
        channel<int> ch(capacity);
        if (capacity > 0) CHECK(ch.try_send(0));
        test::cancellable one[4];
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 1; i <= 3; ++i) {
                g.spawn([&, i] { return one[i].run(send_and_note(ch, i, log)); });
            }
            co_await all_is_quiet();
            one[which].cancel();
            if (capacity > 0) CHECK(ch.try_receive() == 0);
            for (int i = 1; i <= 3; ++i) {
                if (i == which) continue;
                expected.push_back(i);
                CHECK(ch.try_receive() == i);
            }
            CHECK(ch.try_receive() == std::nullopt);
        });
    });
    CHECK(log == expected);
}

TEST_CASE("a value handed to a receiver reaches it, though it is cancelled in the same turn") {
    test::virtual_fixture on;
    log_of log;
    bool went_on = false;
    on.run([&]() -> task<> {
        channel<int> ch;
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto receiver = [&]() -> task<> {
                co_await receive_and_note(ch, 1, log);
                co_await bight::yield();
                went_on = true;
            };
            g.spawn([&] { return one.run(receiver()); });
            co_await all_is_quiet();
            CHECK(ch.try_send(7));
            one.cancel();
        });
    });
    CHECK(log == log_of{107});
    CHECK_FALSE(went_on);
}

TEST_CASE("a receiver that is cancelled first gets nothing that is sent in the same turn") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        channel<int> ch(1);
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&] { return one.run(receive_and_note(ch, 1, log)); });
            co_await all_is_quiet();
            one.cancel();
            CHECK(ch.try_send(7));
        });
        CHECK(ch.try_receive() == 7);
    });
    CHECK(log.empty());
}

TEST_CASE("a send whose value was taken succeeds, though it is cancelled in the same turn") {
    test::virtual_fixture on;
    const std::size_t capacity = GENERATE(as<std::size_t>(), 0, 1);
    log_of log;
    on.run([&]() -> task<> {
        channel<int> ch(capacity);
        if (capacity > 0) CHECK(ch.try_send(1));
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&] { return one.run(send_and_note(ch, 2, log)); });
            co_await all_is_quiet();
            CHECK(ch.try_receive().has_value());
            one.cancel();
        });
        if (capacity > 0) CHECK(ch.try_receive() == 2);
    });
    CHECK(log == log_of{2});
}

TEST_CASE("a cancelled task sends nothing and receives nothing, even where it would not wait") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        channel<int> ch(2);
        CHECK(ch.try_send(1));
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.cancel();
            co_await send_and_note(ch, 2, log);
        });
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.cancel();
            co_await receive_and_note(ch, 1, log);
        });
        CHECK(ch.size() == 1);
    });
    CHECK(log.empty());
}

TEST_CASE("a time-out around send and receive leaves the channel as it was") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        channel<int> ch;
        const auto got = co_await bight::try_with_timeout(ch.receive(), 5ms);
        CHECK_FALSE(got);
        CHECK(on.elapsed() == 5ms);
        CHECK_FALSE(ch.try_send(1));  // nobody waits any more
        const bool sent = co_await bight::try_with_timeout(ch.send(2), 5ms);
        CHECK_FALSE(sent);
        CHECK(on.elapsed() == 10ms);
        CHECK(ch.try_receive() == std::nullopt);

        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto late = [&]() -> task<> {
                co_await bight::sleep_for(3ms);
                co_await ch.send(3);
            };
            g.spawn(late);
            const auto value = co_await bight::with_timeout(ch.receive(), 5ms);
            CHECK(value == 3);
            CHECK(on.elapsed() == 13ms);
        });
    });
}

TEST_CASE("after close, receivers get what is buffered and then the end; senders get an error") {
    test::virtual_fixture on;
    log_of log;
    log_of all;
    on.run([&]() -> task<> {
        channel<int> ch(2);
        CHECK(ch.try_send(1));
        CHECK(ch.try_send(2));
        std::error_code waited;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto sender = [&]() -> task<> { waited = co_await error_of_send(ch, 3); };
            g.spawn(sender);
            co_await all_is_quiet();
            CHECK_FALSE(ch.closed());
            ch.close();
            ch.close();
            CHECK(ch.closed());
        });
        CHECK(waited == bight::errc::closed);
        const auto later = co_await error_of_send(ch, 4);
        CHECK(later == bight::errc::closed);
        CHECK_FALSE(ch.try_send(5));
        co_await receive_all(ch, all);
        const auto again = co_await ch.receive();
        CHECK_FALSE(again);
        CHECK(ch.try_receive() == std::nullopt);
    });
    CHECK(all == log_of{1, 2});
}

TEST_CASE("close lets every task that waits go on, in order") {
    test::virtual_fixture on;
    log_of log;
    on.run([&]() -> task<> {
        channel<int> ch;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int who = 1; who <= 3; ++who) g.spawn(receive_and_note, std::ref(ch), who, std::ref(log));
            co_await all_is_quiet();
            ch.close();
            CHECK(log.empty());
        });
        CHECK(log == log_of{99, 199, 299});

        channel<int> full;
        log.clear();
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto sender = [&](int who) -> task<> {
                const auto code = co_await error_of_send(full, who);
                CHECK(code == bight::errc::closed);
                log.push_back(who);
            };
            for (int who = 1; who <= 3; ++who) g.spawn(sender, who);
            co_await all_is_quiet();
            full.close();
            CHECK(full.try_receive() == std::nullopt);
        });
    });
    CHECK(log == log_of{1, 2, 3});
}

TEST_CASE("the forms that throw nothing give errc::closed as a value") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        channel<std::string> ch(1);
        const auto sent = co_await bight::as_result(ch.send("text"));
        CHECK(sent.has_value());
        auto got = co_await bight::as_result(ch.receive());
        CHECK(got.has_value());
        CHECK(*got == "text");
        ch.close();
        const auto refused = co_await bight::as_result(ch.send("more"));
        CHECK(refused.error() == bight::errc::closed);
        const auto end = co_await bight::as_result(ch.receive());
        CHECK(end.error() == bight::errc::closed);
    });
}

TEST_CASE("tasks that were served do not need the channel any more") {
    test::virtual_fixture on;
    log_of log;
    std::error_code code;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto handed = std::make_unique<channel<int>>();
            g.spawn(receive_and_note, std::ref(*handed), 1, std::ref(log));
            auto closed = std::make_unique<channel<int>>();
            g.spawn(receive_and_note, std::ref(*closed), 2, std::ref(log));
            auto refused = std::make_unique<channel<int>>();
            auto sender = [&code](channel<int>& to) -> task<> { code = co_await error_of_send(to, 1); };
            g.spawn(sender, std::ref(*refused));
            co_await all_is_quiet();
            CHECK(handed->try_send(5));
            closed->close();
            refused->close();
            handed.reset();
            closed.reset();
            refused.reset();
        });
    });
    CHECK(log == log_of{105, 199});
    CHECK(code == bight::errc::closed);
}

TEST_CASE("destroying a channel in which a task waits ends the program, and names the line") {
    const bool receives = GENERATE(true, false);
    const std::string said = test::dying_words([&] {
        bight::reactor r;
        auto gone = std::make_unique<channel<int>>();
        auto waits = [&]() -> task<> {
            if (receives) {
                co_await gone->receive();
            } else {
                co_await gone->send(1);
            }
        };
        auto body = [&](bight::group& g) -> task<> {
            g.spawn(waits);
            co_await bight::yield();
            co_await bight::yield();
            gone.reset();
        };
        auto root = [&]() -> task<> { co_await bight::with_group(body); };
        r.run(root());
    });
    CHECK_THAT(said, Catch::Contains("a channel was destroyed") && Catch::Contains("channel_test.cpp"));
}

TEST_CASE("what is still buffered goes with the channel") {
    fickle::living = 0;
    {
        channel<fickle> ch(bight::unbounded);
        for (int i = 0; i < 1000; ++i) CHECK(ch.try_send(i));
        for (int i = 0; i < 100; ++i) CHECK(ch.try_receive()->value == i);
        CHECK(fickle::living == 900);
    }
    CHECK(fickle::living == 0);
}

TEST_CASE("the buffer keeps its order while it grows and shrinks over its blocks") {
    channel<int> ch(bight::unbounded);
    int in = 0;
    int out = 0;
    for (const int step : {1, 63, -64, 64, 1, -65, 200, -150, 300, -100, 130, -379, 1, -2, 500, -501}) {
        for (int i = 0; i < step; ++i) CHECK(ch.try_send(in++));
        for (int i = 0; i > step; --i) {
            if (out < in) {
                CHECK(ch.try_receive() == out++);
            } else {
                CHECK_FALSE(ch.try_receive());
            }
        }
        CHECK(ch.size() == static_cast<std::size_t>(in - out));
    }
    while (auto value = ch.try_receive()) CHECK(*value == out++);
    CHECK(in == out);
}

TEST_CASE("a value that only moves goes through, and stays where it was when it is refused") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        channel<std::unique_ptr<int>> ch(1);
        co_await ch.send(std::make_unique<int>(4));
        auto second = std::make_unique<int>(5);
        CHECK_FALSE(ch.try_send(std::move(second)));
        REQUIRE(second != nullptr);
        auto body = [&](bight::group& g) -> task<> {
            auto sender = [&]() -> task<> { co_await ch.send(std::move(second)); };
            g.spawn(sender);
            co_await all_is_quiet();
            auto first = co_await ch.receive();
            CHECK(**first == 4);
            auto last = co_await ch.receive();
            CHECK(**last == 5);
        };
        co_await bight::with_group(body);
        ch.close();
        auto third = std::make_unique<int>(6);
        CHECK_FALSE(ch.try_send(std::move(third)));
        CHECK(third != nullptr);
    });
}

TEST_CASE("a move that throws on the way in fails the send, and nothing was sent") {
    test::virtual_fixture on;
    fickle::living = 0;
    on.run([&]() -> task<> {
        channel<fickle> ch(1);
        {
            auto sending = ch.send(1);
            fickle::moves_left = 0;
            bool thrown = false;
            try {
                co_await std::move(sending);
            } catch (const std::runtime_error&) {
                thrown = true;
            }
            CHECK(thrown);
            CHECK(ch.empty());
        }
        co_await ch.send(2);
        CHECK(ch.try_receive()->value == 2);

        log_of log;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto receiver = [&]() -> task<> {
                const auto value = co_await ch.receive();
                log.push_back(value->value);
            };
            g.spawn(receiver);
            co_await all_is_quiet();
            fickle third(3);
            fickle::moves_left = 0;
            CHECK_THROWS_AS(ch.try_send(std::move(third)), std::runtime_error);
            co_await all_is_quiet();
            CHECK(log.empty());  // it waits on
            CHECK(ch.try_send(4));
        });
        CHECK(log == log_of{4});
    });
    CHECK(fickle::living == 0);
}

TEST_CASE("a waiting send whose value cannot be moved fails, and the next one takes its place") {
    test::virtual_fixture on;
    const std::size_t capacity = GENERATE(as<std::size_t>(), 0, 1);
    fickle::living = 0;
    log_of log;
    on.run([&]() -> task<> {
        channel<fickle> ch(capacity);
        if (capacity > 0) CHECK(ch.try_send(1));
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto sender = [&](int value) -> task<> {
                try {
                    co_await ch.send(value);
                    log.push_back(value);
                } catch (const std::runtime_error&) {
                    log.push_back(-value);
                }
            };
            g.spawn(sender, 2);
            g.spawn(sender, 3);
            co_await all_is_quiet();
            fickle::moves_left = capacity > 0 ? 1 : 0;  // the buffered one comes out first
            const auto first = co_await ch.receive();
            CHECK(first->value == (capacity > 0 ? 1 : 3));
            co_await all_is_quiet();
            CHECK(log == log_of{-2, 3});
            CHECK(ch.size() == capacity);
        });
    });
    CHECK(fickle::living == 0);
}

TEST_CASE("a move that throws on the way out fails the receive, and the next gets the next value") {
    test::virtual_fixture on;
    fickle::living = 0;
    on.run([&]() -> task<> {
        channel<fickle> ch(2);
        CHECK(ch.try_send(1));
        CHECK(ch.try_send(2));
        fickle::moves_left = 0;
        bool thrown = false;
        try {
            const auto lost = co_await ch.receive();
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        CHECK(thrown);
        CHECK(ch.size() == 1);
        const auto value = co_await ch.receive();
        CHECK(value->value == 2);
    });
    CHECK(fickle::living == 0);
}

TEST_CASE("a value is moved twice by send and receive each, and once by the forms that do not wait") {
    test::virtual_fixture on;
    on.run([]() -> task<> {
        struct counted {
            explicit counted(int& n) : moves(&n) {}
            counted(counted&& other) noexcept : moves(other.moves) { ++*moves; }
            counted& operator=(counted&& other) noexcept {
                moves = other.moves;
                ++*moves;
                return *this;
            }
            ~counted() = default;
            int* moves;
        };
        int moves = 0;
        channel<counted> ch(1);
        co_await ch.send(counted(moves));
        CHECK(moves == 2);
        const auto received = co_await ch.receive();
        REQUIRE(received);
        CHECK(moves == 4);
        CHECK(ch.try_send(counted(moves)));
        CHECK(moves == 5);
        const auto taken = ch.try_receive();
        REQUIRE(taken);
        CHECK(moves == 6);
    });
}

TEST_CASE("a task that finds values all the time lets others run") {
    test::virtual_fixture on;
    long others = 0;
    constexpr int values = 100'000;
    on.run([&]() -> task<> {
        channel<int> ch(bight::unbounded);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto beside = [&]() -> task<> {
                for (;;) {
                    co_await bight::yield();
                    ++others;
                }
            };
            g.spawn(beside);
            for (int i = 0; i < values; ++i) co_await ch.send(i);
            for (int i = 0; i < values; ++i) {
                const auto value = co_await ch.receive();
                if (value != i) FAIL("out of order");
            }
            g.cancel();
        });
    });
    CHECK(others >= 2 * values / (static_cast<long>(bight::reactor::completion_budget) + 1) - 1);
}

TEST_CASE("the tree of tasks says who waits in a channel") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        channel<int> in;
        channel<int> out;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto receiver = [&]() -> task<> { co_await in.receive(); };
            auto sender = [&]() -> task<> { co_await out.send(1); };
            g.spawn(receiver);
            g.spawn(sender);
            co_await all_is_quiet();
            const std::string tree = on.reactor().dump_tasks();
            CHECK_THAT(tree,
                       Catch::Contains("a value from a channel") && Catch::Contains("room in a channel"));
            g.cancel();
        });
    });
}
