#include <bight/sync/condition.hpp>

#include "support/cancellable.hpp"
#include "support/death.hpp"
#include "support/reactors.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>

#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using bight::condition;
using bight::mutex;
using bight::mutex_guard;
using bight::task;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

task<> wait_and_note(mutex& m, condition& c, std::vector<int>& log, int who) {
    mutex_guard held = co_await m.lock();
    co_await c.wait(held);
    log.push_back(held.owns_lock() && m.locked() ? who : -who);
}

// Notes, when its frame goes, whether the guard held the lock then.
class noted_at_the_end {
  public:
    noted_at_the_end(const mutex_guard& guard, std::vector<int>& log) : guard_(guard), log_(log) {}
    noted_at_the_end(const noted_at_the_end&) = delete;
    noted_at_the_end& operator=(const noted_at_the_end&) = delete;
    ~noted_at_the_end() { log_.push_back(guard_.owns_lock() ? 1 : 0); }

  private:
    const mutex_guard& guard_;
    std::vector<int>& log_;
};

task<> wait_and_note_the_end(mutex& m, condition& c, std::vector<int>& log) {
    mutex_guard held = co_await m.lock();
    const noted_at_the_end end(held, log);
    co_await c.wait(held);
    log.push_back(2);
}

}  // namespace

TEST_CASE("a wait for a condition unlocks the mutex, and has it again when it returns") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        mutex m;
        condition c;
        bool returned = false;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                mutex_guard held = co_await m.lock();
                co_await c.wait(held);
                CHECK(held.owns_lock());
                CHECK(m.locked());
                returned = true;
            });
            co_await test::turns(2);
            CHECK_FALSE(m.locked());
            mutex_guard mine = co_await m.lock();
            c.notify_one();
            co_await test::turns(3);
            CHECK_FALSE(returned);
            mine.unlock();
            CHECK_FALSE(returned);
        });
        CHECK(returned);
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("notify_one lets go the task that has waited longest, and notify_all all of them in order") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        mutex m;
        condition c;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int who = 1; who <= 5; ++who) g.spawn(wait_and_note(m, c, log, who));
            co_await test::turns(7);
            c.notify_one();
            CHECK(log.empty());
            co_await test::turns(3);
            CHECK(log == std::vector<int>{1});
            c.notify_all();
            CHECK(log.size() == 1);
        });
    });
    CHECK(log == std::vector<int>{1, 2, 3, 4, 5});
}

TEST_CASE("a notification when nobody waits for a condition is gone") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        mutex m;
        condition c;
        c.notify_one();
        c.notify_all();
        mutex_guard held = co_await m.lock();
        const bool notified = co_await bight::try_with_timeout(c.wait(held), 5ms);
        CHECK_FALSE(notified);
        CHECK(on.elapsed() == 5ms);
    });
}

TEST_CASE("a wait with a predicate returns when it is true, asked with the lock held") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        mutex m;
        condition c;
        std::deque<int> items;
        std::vector<int> got;
        int asked = 0;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                for (int i = 0; i < 3; ++i) {
                    mutex_guard held = co_await m.lock();
                    auto there = [&] {
                        ++asked;
                        CHECK(m.locked());
                        return !items.empty();
                    };
                    co_await c.wait(held, there);
                    got.push_back(items.front());
                    items.pop_front();
                }
            });
            co_await test::turns(3);
            c.notify_one();  // for nothing
            co_await test::turns(3);
            CHECK(asked == 2);
            CHECK(got.empty());
            items = {7, 8};
            c.notify_all();
            co_await test::turns(3);
            CHECK(got == std::vector<int>{7, 8});
            items = {9};
            c.notify_one();
        });
        CHECK(got == std::vector<int>{7, 8, 9});
    });
}

TEST_CASE("what a predicate throws comes out of the wait, with the lock held") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        mutex m;
        condition c;
        mutex_guard held = co_await m.lock();
        auto fails = [&]() -> bool { throw std::runtime_error("asked"); };
        std::string what;
        try {
            co_await c.wait(held, fails);
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(what == "asked");
        CHECK(held.owns_lock());
    });
}

TEST_CASE("after a time-out the lock is held again, though others had it at the deadline") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        mutex m;
        condition c;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            mutex_guard held = co_await m.lock();
            g.spawn([&]() -> task<> {
                const mutex_guard other = co_await m.lock();
                co_await bight::sleep_for(8ms);
            });
            const bool notified = co_await bight::try_with_timeout(c.wait(held), 5ms);
            CHECK_FALSE(notified);
            CHECK(on.elapsed() == 8ms);
            CHECK(held.owns_lock());
            CHECK(m.locked());
        });
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("a cancelled task has the mutex again before it unwinds") {
    const bool locked_meanwhile = GENERATE(false, true);
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        mutex m;
        condition c;
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(one.run(wait_and_note_the_end(m, c, log)));
            co_await test::turns(3);
            mutex_guard mine;
            if (locked_meanwhile) mine = m.try_lock();
            one.cancel();
            co_await test::turns(3);
            CHECK(log.empty() == locked_meanwhile);
        });
        CHECK_FALSE(one.ended());
        CHECK_FALSE(m.locked());
    });
    CHECK(log == std::vector<int>{1});
}

TEST_CASE("a task that is cancelled before it waits does not wait, and unwinds with the lock held") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        mutex m;
        condition c;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            mutex_guard held = co_await m.lock();
            const noted_at_the_end end(held, log);
            g.cancel();
            co_await c.wait(held);
            log.push_back(2);
        });
        CHECK_FALSE(m.locked());
    });
    CHECK(log == std::vector<int>{1});
}

TEST_CASE("cancelling any task that waits for a condition leaves the order of the others") {
    const int victim = GENERATE(1, 2, 3);
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        mutex m;
        condition c;
        test::cancellable all[3];
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 3; ++i) g.spawn(all[i].run(wait_and_note(m, c, log, i + 1)));
            co_await test::turns(6);
            all[victim - 1].cancel();
            c.notify_one();
            c.notify_one();
        });
    });
    std::vector<int> expected{1, 2, 3};
    expected.erase(expected.begin() + victim - 1);
    CHECK(log == expected);
}

TEST_CASE("a notified task that is cancelled before it has the lock passes the notification on") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        mutex m;
        condition c;
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(one.run(wait_and_note(m, c, log, 1)));
            co_await test::turns(3);
            g.spawn(wait_and_note(m, c, log, 2));
            co_await test::turns(3);
            mutex_guard mine = co_await m.lock();
            c.notify_one();
            one.cancel();
            mine.unlock();
        });
        CHECK_FALSE(one.ended());
        CHECK_FALSE(m.locked());
    });
    CHECK(log == std::vector<int>{2});
}

TEST_CASE("a task that notify_all chose, and is cancelled, wakes nobody who came later") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        mutex m;
        condition c;
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(one.run(wait_and_note(m, c, log, 1)));
            co_await test::turns(3);
            mutex_guard mine = co_await m.lock();
            c.notify_all();
            bool notified = true;
            g.spawn([&]() -> task<> {
                mutex_guard held = co_await m.lock();
                notified = co_await bight::try_with_timeout(c.wait(held), 5ms);
            });
            co_await test::turns(2);
            one.cancel();
            mine.unlock();
            co_await bight::sleep_for(10ms);
            CHECK_FALSE(notified);
        });
    });
    CHECK(log.empty());
}

TEST_CASE("a task that was notified and has the lock goes on though it is cancelled in the same turn") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        mutex m;
        condition c;
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(one.run(wait_and_note(m, c, log, 1)));
            co_await test::turns(3);
            c.notify_one();
            one.cancel();
        });
    });
    CHECK(log == std::vector<int>{1});
}

TEST_CASE("a condition may be destroyed once notify_all has let all go, while they wait for the mutex") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        mutex m;
        auto c = std::make_unique<condition>();
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(one.run(wait_and_note(m, *c, log, 1)));
            g.spawn(wait_and_note(m, *c, log, 2));
            co_await test::turns(4);
            const mutex_guard mine = co_await m.lock();
            c->notify_all();
            c.reset();
            one.cancel();
        });
    });
    CHECK(log == std::vector<int>{2});
}

TEST_CASE("destroying a condition with a task that waits, or waiting without the lock, ends the program") {
    const auto with_a_waiter = [](auto act) {
        return test::dying_words([&] {
            bight::reactor r;
            std::vector<int> log;
            mutex m;
            auto c = std::make_unique<condition>();
            auto body = [&](bight::group& g) -> task<> {
                g.spawn(wait_and_note(m, *c, log, 1));
                co_await test::turns(2);
                const mutex_guard mine = co_await m.lock();
                act(c);
            };
            auto root = [&]() -> task<> { co_await bight::with_group(body); };
            r.run(root());
        });
    };
    const std::string said = with_a_waiter([](auto& c) { c.reset(); });
    CHECK_THAT(said, Contains("a condition was destroyed while a task waits for it"));
    CHECK_THAT(said, Contains("wait_and_note at ") && Contains("condition_test.cpp:"));
    CHECK_THAT(with_a_waiter([](auto& c) {
                   c->notify_one();
                   c.reset();
               }),
               Contains("a condition was destroyed while a task that it notified"));
    CHECK_THAT(test::dying_words([] {
                   bight::reactor r;
                   auto root = []() -> task<> {
                       condition c;
                       mutex_guard none;
                       co_await c.wait(none);
                   };
                   r.run(root());
               }),
               Contains("a guard that holds no lock"));
}
