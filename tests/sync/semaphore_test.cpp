#include <bight/sync/semaphore.hpp>

#include "support/cancellable.hpp"
#include "support/death.hpp"
#include "support/reactors.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using bight::semaphore;
using bight::semaphore_guard;
using bight::task;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

task<> take_and_note(semaphore& s, std::vector<int>& log, int who, std::size_t n = 1) {
    co_await s.acquire(n);
    log.push_back(who);
}

task<> hold_and_note(semaphore& s, std::vector<int>& log, int who, std::size_t n = 1) {
    const semaphore_guard held = co_await s.scoped_acquire(n);
    log.push_back(who);
    co_await bight::yield();
}

}  // namespace

TEST_CASE("a semaphore lets as many in as it has permits") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        semaphore s(3);
        int inside = 0;
        int most = 0;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 9; ++i) {
                g.spawn([&]() -> task<> {
                    const semaphore_guard held = co_await s.scoped_acquire();
                    most = std::max(most, ++inside);
                    co_await bight::sleep_for(1ms);
                    --inside;
                });
            }
            co_return;
        });
        CHECK(most == 3);
        CHECK(on.elapsed() == 3ms);
        CHECK(s.available() == 3);
    });
}

TEST_CASE("permits go to those who wait first in, first out, in the next turn and never inside release") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        semaphore s(0);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int who = 1; who <= 4; ++who) g.spawn(take_and_note(s, log, who));
            co_await test::turns(2);
            s.release(3);
            CHECK(log.empty());
            CHECK(s.available() == 0);
            co_await test::turns(2);
            CHECK(log == std::vector<int>{1, 2, 3});
            s.release();
        });
    });
    CHECK(log == std::vector<int>{1, 2, 3, 4});
}

TEST_CASE("a small request does not overtake a large one that waits") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        semaphore s(2);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(take_and_note(s, log, 5, 5));
            g.spawn(take_and_note(s, log, 1, 1));
            co_await test::turns(2);
            CHECK_FALSE(s.try_acquire());
            CHECK_FALSE(s.try_acquire(0));
            CHECK(s.available() == 2);
            s.release(2);
            co_await test::turns(2);
            CHECK(log.empty());
            s.release(1);
            co_await test::turns(2);
            CHECK(log == std::vector<int>{5});
            s.release(1);
        });
        CHECK(s.available() == 0);
    });
    CHECK(log == std::vector<int>{5, 1});
}

TEST_CASE("a cancelled large request lets the small ones behind it go") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        semaphore s(2);
        test::cancellable large;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(large.run(take_and_note(s, log, 5, 5)));
            co_await test::turns(3);
            g.spawn(take_and_note(s, log, 1));
            g.spawn(take_and_note(s, log, 2));
            g.spawn(take_and_note(s, log, 3));
            co_await test::turns(2);
            CHECK(log.empty());
            large.cancel();
            co_await test::turns(2);
            CHECK(log == std::vector<int>{1, 2});
            s.release();
        });
    });
    CHECK(log == std::vector<int>{1, 2, 3});
}

TEST_CASE("cancelling any task in the queue of a semaphore leaves the order of the others") {
    const int victim = GENERATE(1, 2, 3);
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        semaphore s(0);
        test::cancellable all[3];
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 3; ++i) g.spawn(all[i].run(take_and_note(s, log, i + 1)));
            co_await test::turns(3);
            all[victim - 1].cancel();
            s.release(2);
        });
        CHECK(s.available() == 0);
    });
    std::vector<int> expected{1, 2, 3};
    expected.erase(expected.begin() + victim - 1);
    CHECK(log == expected);
}

TEST_CASE("a task that was granted permits gets them though it is cancelled, and its guard gives them back") {
    test::virtual_fixture on;
    std::vector<int> log;
    on.run([&]() -> task<> {
        semaphore s(0);
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(one.run(hold_and_note(s, log, 1, 2)));
            co_await test::turns(3);
            g.spawn(hold_and_note(s, log, 2, 2));
            co_await test::turns(2);
            s.release(2);
            one.cancel();
        });
        CHECK_FALSE(one.ended());
        CHECK(s.available() == 2);
    });
    CHECK(log == std::vector<int>{1, 2});
}

TEST_CASE("with_timeout bounds the wait for permits") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        semaphore s(1);
        const bool two = co_await bight::try_with_timeout(s.acquire(2), 5ms);
        CHECK_FALSE(two);
        CHECK(on.elapsed() == 5ms);
        const auto one = co_await bight::try_with_timeout(s.scoped_acquire(), 5ms);
        CHECK(one);
        CHECK(s.available() == 0);
    });
}

TEST_CASE("a semaphore never has more permits than its maximum") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        CHECK_THROWS_AS(semaphore(3, 2), std::invalid_argument);
        semaphore s(1, 2);
        CHECK(s.maximum() == 2);
        s.release();
        CHECK_THROWS_AS(s.release(), std::overflow_error);
        CHECK_THROWS_AS(s.release(semaphore::unlimited), std::overflow_error);
        CHECK(s.available() == 2);
        CHECK_THROWS_AS((void)s.acquire(3), std::invalid_argument);
        CHECK_THROWS_AS((void)s.scoped_acquire(3), std::invalid_argument);
        CHECK_FALSE(s.try_acquire(3));

        semaphore all(semaphore::unlimited);
        co_await all.acquire(semaphore::unlimited);
        CHECK(all.available() == 0);
        all.release(semaphore::unlimited);
        CHECK_THROWS_AS(all.release(), std::overflow_error);
    });
}

TEST_CASE("a request for no permits succeeds at once when nobody waits") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        semaphore s(0);
        co_await s.acquire(0);
        CHECK(s.try_acquire(0));
        const semaphore_guard none = co_await s.scoped_acquire(0);
        CHECK(none.count() == 0);
    });
}

TEST_CASE("a guard gives its permits back once, when it goes or is told to, or forgets them") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        semaphore s(5);
        {
            semaphore_guard first = co_await s.scoped_acquire(2);
            semaphore_guard second = std::move(first);
            CHECK_FALSE(first);
            CHECK(first.count() == 0);
            CHECK(second.count() == 2);
            first = s.try_scoped_acquire(3);
            CHECK(s.available() == 0);
            CHECK_FALSE(s.try_scoped_acquire());
            first = std::move(second);
            CHECK(s.available() == 3);
            first.release();
            first.release();
            CHECK(s.available() == 5);
        }
        CHECK(s.available() == 5);
        {
            semaphore_guard kept = s.try_scoped_acquire(4);
            CHECK(kept.forget() == 4);
        }
        CHECK(s.available() == 1);
    });
}

TEST_CASE("a loop over a semaphore with permits lets others run") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        semaphore s(1);
        int others = 0;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn([&]() -> task<> {
                for (;;) {
                    co_await bight::yield();
                    ++others;
                }
            });
            for (int i = 0; i < 10'000; ++i) {
                co_await s.acquire();
                s.release();
            }
            g.cancel();
        });
        CHECK(others >= 10'000 / static_cast<int>(bight::reactor::completion_budget + 1) - 1);
    });
}

TEST_CASE("destroying a semaphore that a task waits for ends the program, naming the line that waits") {
    const std::string said = test::dying_words([] {
        bight::reactor r;
        std::vector<int> log;
        auto s = std::make_unique<semaphore>(0u);
        auto body = [&](bight::group& g) -> task<> {
            g.spawn(take_and_note(*s, log, 1));
            co_await test::turns(2);
            s.reset();
        };
        auto root = [&]() -> task<> { co_await bight::with_group(body); };
        r.run(root());
    });
    CHECK_THAT(said, Contains("a semaphore was destroyed while a task waits for it"));
    CHECK_THAT(said, Contains("take_and_note at ") && Contains("semaphore_test.cpp:"));
}

TEST_CASE("permits that are released by hand and by their guard end the program at the maximum") {
    CHECK_THAT(test::dying_words([] {
                   semaphore s(1, 1);
                   const semaphore_guard held = s.try_scoped_acquire();
                   s.release();
               }),
               Contains("released by hand too"));
}
