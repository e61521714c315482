#include <bight/sync/mutex.hpp>

#include "support/cancellable.hpp"
#include "support/death.hpp"
#include "support/reactors.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using bight::mutex;
using bight::mutex_guard;
using bight::task;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

task<> lock_and_note(mutex& m, std::vector<int>& log, int who) {
    const mutex_guard held = co_await m.lock();
    log.push_back(who);
    co_await bight::yield();
}

static_assert(!std::is_copy_constructible_v<mutex_guard> &&
              std::is_nothrow_move_constructible_v<mutex_guard>);

}  // namespace

TEST_CASE("a mutex lets one task in at a time, across awaits") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        mutex m;
        int inside = 0;
        int entered = 0;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 10; ++i) {
                g.spawn([&]() -> task<> {
                    const mutex_guard held = co_await m.lock();
                    CHECK(++inside == 1);
                    co_await bight::sleep_for(1ms);
                    --inside;
                    ++entered;
                });
            }
            co_return;
        });
        CHECK(entered == 10);
        CHECK(on.elapsed() == 10ms);
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("a mutex is handed over first in, first out, in the turn after the unlock and never inside it") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        mutex m;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            mutex_guard held = co_await m.lock();
            for (int who = 1; who <= 5; ++who) g.spawn(lock_and_note(m, log, who));
            co_await test::turns(2);
            held.unlock();
            CHECK(log.empty());
            CHECK(m.locked());
            log.push_back(0);
        });
    });
    CHECK(log == std::vector<int>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("nobody takes a mutex between its unlock and the one it is handed to") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        mutex m;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            mutex_guard held = co_await m.lock();
            g.spawn(lock_and_note(m, log, 1));
            g.spawn(lock_and_note(m, log, 2));
            co_await test::turns(2);
            held.unlock();
            const mutex_guard barging = m.try_lock();
            CHECK_FALSE(barging);
            const mutex_guard again = co_await m.lock();
            log.push_back(0);
        });
    });
    CHECK(log == std::vector<int>{1, 2, 0});
}

TEST_CASE("a cancelled task leaves the queue of a mutex, and the others keep their order") {
    const int victim = GENERATE(1, 2, 3);
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        mutex m;
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            mutex_guard held = co_await m.lock();
            for (int who = 1; who <= 3; ++who) {
                if (who == victim) {
                    g.spawn(one.run(lock_and_note(m, log, who)));
                } else {
                    g.spawn(lock_and_note(m, log, who));
                }
            }
            co_await test::turns(3);
            one.cancel();
            co_await test::turns(3);
            CHECK(log.empty());
            held.unlock();
        });
        CHECK_FALSE(m.locked());
    });
    std::vector<int> expected{1, 2, 3};
    expected.erase(expected.begin() + victim - 1);
    CHECK(log == expected);
}

TEST_CASE("a task that was handed a mutex gets it though it is cancelled, and its guard passes it on") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        mutex m;
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            mutex_guard held = co_await m.lock();
            g.spawn(one.run(lock_and_note(m, log, 1)));
            g.spawn(lock_and_note(m, log, 2));
            co_await test::turns(3);
            held.unlock();
            one.cancel();
        });
        CHECK_FALSE(one.ended());
        CHECK_FALSE(m.locked());
    });
    CHECK(log == std::vector<int>{1, 2});
}

TEST_CASE("a task that is cancelled just before the unlock does not get the mutex: the next one does") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        mutex m;
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            mutex_guard held = co_await m.lock();
            g.spawn(one.run(lock_and_note(m, log, 1)));
            g.spawn(lock_and_note(m, log, 2));
            co_await test::turns(3);
            one.cancel();
            held.unlock();
        });
        CHECK_FALSE(m.locked());
    });
    CHECK(log == std::vector<int>{2});
}

TEST_CASE("a cancelled task does not lock a mutex, though it is free") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        mutex m;
        bool went_on = false;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.cancel();
            const mutex_guard held = co_await m.lock();
            went_on = true;
        });
        CHECK_FALSE(went_on);
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("with_timeout bounds the wait for a mutex, and gives its guard") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        mutex m;
        {
            const mutex_guard held = co_await m.lock();
            const auto none = co_await bight::try_with_timeout(m.lock(), 5ms);
            CHECK_FALSE(none);
            CHECK(on.elapsed() == 5ms);
        }
        CHECK_FALSE(m.locked());
        {
            const mutex_guard held = co_await bight::with_timeout(m.lock(), 5ms);
            CHECK(held.owns_lock());
            CHECK(m.locked());
        }
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("a guard unlocks once: when it goes, when it is told to, or not at all after release") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        mutex m;
        mutex_guard first = co_await m.lock();
        mutex_guard second = std::move(first);
        CHECK_FALSE(first.owns_lock());
        CHECK(second.owns_lock());
        mutex_guard third;
        third = std::move(second);
        CHECK(m.locked());
        third.unlock();
        CHECK_FALSE(m.locked());
        third.unlock();

        mutex_guard kept = m.try_lock();
        CHECK(kept);
        CHECK(kept.release() == &m);
        CHECK_FALSE(kept);
        CHECK(m.locked());
        mutex_guard::adopt(m).unlock();
        CHECK_FALSE(m.locked());

        mutex other;
        mutex_guard replaced = m.try_lock();
        replaced = other.try_lock();
        CHECK_FALSE(m.locked());
        CHECK(other.locked());
    });
}

TEST_CASE("an exception unlocks a mutex") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        mutex m;
        auto fails = [&]() -> task<> {
            const mutex_guard held = co_await m.lock();
            throw std::runtime_error("inside");
        };
        CHECK_FALSE(m.locked());
        try {
            co_await fails();
        } catch (const std::runtime_error&) {
        }
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("a loop over a free mutex lets others run") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        mutex m;
        int others = 0;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                for (;;) {
                    co_await bight::yield();
                    ++others;
                }
            });
            for (int i = 0; i < 10'000; ++i) {
                const mutex_guard held = co_await m.lock();
            }
            g.cancel();
        });
        CHECK(others >= 10'000 / static_cast<int>(bight::reactor::completion_budget + 1) - 1);
    });
}

TEST_CASE("a task that locks a mutex twice waits for itself, which virtual time reports") {
    test::virtual_fixture on;
    auto twice = [&]() -> task<> {
        mutex m;
        const mutex_guard held = co_await m.lock();
        const mutex_guard again = co_await m.lock();
    };
    try {
        on.run(twice);
        FAIL("it did not wait");
    } catch (const bight::deadlock& d) {
        CHECK_THAT(d.what(), Contains("a mutex"));
    }
}

TEST_CASE("destroying a mutex that a task waits for ends the program, naming the line that waits") {
    const std::string said = test::dying_words([] {
        bight::reactor r;
        std::vector<int> log;
        auto m = std::make_unique<mutex>();
        auto body = [&](bight::group& g) -> task<> {
            const mutex_guard held = co_await m->lock();
            g.spawn(lock_and_note(*m, log, 1));
            co_await test::turns(2);
            m.reset();
        };
        auto root = [&]() -> task<> { co_await bight::with_group(body); };
        r.run(root());
    });
    CHECK_THAT(said, Contains("a mutex was destroyed while a task waits for it"));
    CHECK_THAT(said, Contains("lock_and_note at ") && Contains("mutex_test.cpp:"));
}

TEST_CASE("destroying a locked mutex, or unlocking a free one, ends the program") {
    CHECK_THAT(test::dying_words([] {
                   mutex_guard outlives;
                   mutex m;
                   outlives = m.try_lock();
               }),
               Contains("a mutex was destroyed while it is locked"));
    CHECK_THAT(test::dying_words([] {
                   mutex m;
                   mutex_guard::adopt(m).unlock();
               }),
               Contains("a mutex was unlocked that is not locked"));
}
