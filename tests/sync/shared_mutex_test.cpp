#include <bight/sync/shared_mutex.hpp>

#include "support/cancellable.hpp"
#include "support/death.hpp"
#include "support/reactors.hpp"

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

using bight::exclusive_guard;
using bight::shared_guard;
using bight::shared_mutex;
using bight::task;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

using names = std::vector<std::string>;

task<> read_for(shared_mutex& m, names& log, std::string who, bight::duration time) {
    const shared_guard held = co_await m.lock_shared();
    log.push_back("+" + who);
    co_await bight::sleep_for(time);
    log.push_back("-" + who);
}

task<> write_for(shared_mutex& m, names& log, std::string who, bight::duration time) {
    const exclusive_guard held = co_await m.lock();
    log.push_back("+" + who);
    co_await bight::sleep_for(time);
    log.push_back("-" + who);
}

}  // namespace

TEST_CASE("readers share a shared_mutex, and a writer has it alone") {
    test::virtual_fixture on;
    names log;
    on.run([&]() -> task<> {
        shared_mutex m;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(read_for(m, log, "r1", 2ms));
            g.spawn(read_for(m, log, "r2", 1ms));
            g.spawn(write_for(m, log, "w", 1ms));
            co_await test::turns(2);
            CHECK(m.readers() == 2);
            CHECK_FALSE(m.locked());
            co_await bight::sleep_for(2500us);
            CHECK(m.readers() == 0);
            CHECK(m.locked());
        });
        CHECK(on.elapsed() == 3ms);
        CHECK_FALSE(m.locked());
    });
    CHECK(log == names{"+r1", "+r2", "-r2", "-r1", "+w", "-w"});
}

TEST_CASE("a writer that waits holds up the readers that come later, and lets them in together after it") {
    test::virtual_fixture on;
    names log;
    on.run([&]() -> task<> {
        shared_mutex m;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(read_for(m, log, "r1", 1ms));
            g.spawn(write_for(m, log, "w1", 1ms));
            g.spawn(read_for(m, log, "r2", 1ms));
            g.spawn(read_for(m, log, "r3", 2ms));
            g.spawn(write_for(m, log, "w2", 1ms));
            g.spawn(read_for(m, log, "r4", 1ms));
            co_await test::turns(2);
            CHECK_FALSE(m.try_lock_shared());
        });
        CHECK(on.elapsed() == 6ms);
    });
    CHECK(log == names{"+r1", "-r1", "+w1", "-w1", "+r2", "+r3", "-r2", "-r3", "+w2", "-w2", "+r4", "-r4"});
}

TEST_CASE("what an unlock of a shared_mutex grants runs in the next turn, never inside it") {
    test::virtual_fixture on;
    names log;
    on.run([&]() -> task<> {
        shared_mutex m;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            exclusive_guard held = co_await m.lock();
            g.spawn(read_for(m, log, "r1", 0ms));
            g.spawn(read_for(m, log, "r2", 0ms));
            co_await test::turns(2);
            held.unlock();
            CHECK(log.empty());
            CHECK(m.readers() == 2);
            CHECK_FALSE(m.try_lock());
        });
    });
    CHECK(log.size() == 4);
}

TEST_CASE("a cancelled writer lets the readers behind it in at once") {
    test::virtual_fixture on;
    names log;
    on.run([&]() -> task<> {
        shared_mutex m;
        test::cancellable writer;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(read_for(m, log, "r1", 10ms));
            g.spawn(writer.run(write_for(m, log, "w", 1ms)));
            co_await test::turns(3);
            g.spawn(read_for(m, log, "r2", 1ms));
            g.spawn(read_for(m, log, "r3", 1ms));
            co_await bight::sleep_for(2ms);
            CHECK(m.readers() == 1);
            writer.cancel();
            CHECK(m.readers() == 3);
        });
        CHECK(on.elapsed() == 10ms);
    });
    CHECK(log == names{"+r1", "+r2", "+r3", "-r2", "-r3", "-r1"});
}

TEST_CASE("cancelling any task in the queue of a shared_mutex leaves the order of the others") {
    const std::size_t victim = GENERATE(0u, 1u, 2u, 3u);
    test::virtual_fixture on;
    names log;
    const names who{"w1", "r1", "w2", "r2"};
    on.run([&]() -> task<> {
        shared_mutex m;
        test::cancellable all[4];
        co_await bight::with_group([&](bight::group& g) -> task<> {
            exclusive_guard held = co_await m.lock();
            g.spawn(all[0].run(write_for(m, log, who[0], 0ms)));
            g.spawn(all[1].run(read_for(m, log, who[1], 0ms)));
            g.spawn(all[2].run(write_for(m, log, who[2], 0ms)));
            g.spawn(all[3].run(read_for(m, log, who[3], 0ms)));
            co_await test::turns(3);
            all[victim].cancel();
            co_await test::turns(2);
            CHECK(log.empty());
            held.unlock();
        });
        CHECK_FALSE(m.locked());
        CHECK(m.readers() == 0);
    });
    names expected;
    for (std::size_t i = 0; i < who.size(); ++i) {
        if (i == victim) continue;
        if (victim == 2 && i == 3) {  // two readers stand next to each other then
            expected = {"+w1", "-w1", "+r1", "+r2", "-r1", "-r2"};
            break;
        }
        expected.push_back("+" + who[i]);
        expected.push_back("-" + who[i]);
    }
    CHECK(log == expected);
}

TEST_CASE("a task that was granted a shared_mutex gets it though it is cancelled, and passes it on") {
    const bool shared = GENERATE(false, true);
    test::virtual_fixture on;
    names log;
    on.run([&]() -> task<> {
        shared_mutex m;
        test::cancellable one;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            exclusive_guard held = co_await m.lock();
            g.spawn(one.run(shared ? read_for(m, log, "1", 1ms) : write_for(m, log, "1", 1ms)));
            co_await test::turns(3);
            g.spawn(write_for(m, log, "2", 1ms));
            co_await test::turns(3);
            held.unlock();
            one.cancel();
        });
        CHECK_FALSE(one.ended());
        CHECK_FALSE(m.locked());
        CHECK(m.readers() == 0);
    });
    CHECK(log == names{"+1", "+2", "-2"});
}

TEST_CASE("a reader that reads once more waits for itself when a writer came in between, and else does not") {
    const bool writer = GENERATE(false, true);
    test::virtual_fixture on;
    const auto twice = [&]() -> task<> {
        shared_mutex m;
        co_await bight::with_group([&](bight::group& g) -> task<> {
            const auto first = co_await m.lock_shared();
            auto write = [&]() -> task<> { const auto held = co_await m.lock(); };
            if (writer) g.spawn(write);
            co_await test::turns(2);
            const auto second = co_await m.lock_shared();
            CHECK(m.readers() == 2);
        });
    };
    if (writer) {
        CHECK_THROWS_AS(on.run(twice), bight::deadlock);
    } else {
        on.run(twice);
    }
}

TEST_CASE("with_timeout bounds the wait for a shared_mutex, either way") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        shared_mutex m;
        {
            const shared_guard held = co_await m.lock_shared();
            const auto none = co_await bight::try_with_timeout(m.lock(), 5ms);
            CHECK_FALSE(none);
            const auto some = co_await bight::try_with_timeout(m.lock_shared(), 5ms);
            CHECK(some);
            CHECK(m.readers() == 2);
        }
        CHECK(m.readers() == 0);
        {
            const exclusive_guard held = co_await m.lock();
            const auto none = co_await bight::try_with_timeout(m.lock_shared(), 5ms);
            CHECK_FALSE(none);
        }
        CHECK(on.elapsed() == 10ms);
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("the guards of a shared_mutex move, unlock once, and give their lock up") {
    test::virtual_fixture on;
    on.run([&]() -> task<> {
        shared_mutex m;
        shared_guard first = m.try_lock_shared();
        shared_guard second = std::move(first);
        CHECK_FALSE(first);
        CHECK(second.owns_lock());
        CHECK_FALSE(m.try_lock());
        second.unlock();
        second.unlock();
        exclusive_guard writer = m.try_lock();
        CHECK(writer);
        CHECK_FALSE(m.try_lock_shared());
        exclusive_guard moved;
        moved = std::move(writer);
        CHECK(moved.release() == &m);
        CHECK(m.locked());
        exclusive_guard::adopt(m).unlock();
        CHECK_FALSE(m.locked());
        CHECK(m.try_lock_shared().release() == &m);
        shared_guard::adopt(m).unlock();
        CHECK(m.readers() == 0);
        co_return;
    });
}

TEST_CASE("destroying a shared_mutex in use, or unlocking it the wrong way, ends the program") {
    const std::string said = test::dying_words([] {
        bight::reactor r;
        names log;
        auto m = std::make_unique<shared_mutex>();
        auto body = [&](bight::group& g) -> task<> {
            const shared_guard held = co_await m->lock_shared();
            g.spawn(write_for(*m, log, "w", 0ms));
            co_await test::turns(2);
            m.reset();
        };
        auto root = [&]() -> task<> { co_await bight::with_group(body); };
        r.run(root());
    });
    CHECK_THAT(said, Contains("a shared_mutex was destroyed while a task waits for it"));
    CHECK_THAT(said, Contains("write_for at ") && Contains("shared_mutex_test.cpp:"));
    CHECK_THAT(test::dying_words([] {
                   shared_guard outlives;
                   shared_mutex m;
                   outlives = m.try_lock_shared();
               }),
               Contains("a shared_mutex was destroyed while it is locked"));
    CHECK_THAT(test::dying_words([] {
                   shared_mutex m;
                   (void)m.try_lock_shared().release();
                   exclusive_guard::adopt(m).unlock();
               }),
               Contains("not locked exclusively"));
    CHECK_THAT(test::dying_words([] {
                   shared_mutex m;
                   (void)m.try_lock().release();
                   shared_guard::adopt(m).unlock();
               }),
               Contains("not locked shared"));
}
