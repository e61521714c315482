#include <bight/core/spawned_task.hpp>

#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>

#include "support/death.hpp"
#include "support/reactors.hpp"
#include "support/sleep_long.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using bight::group;
using bight::spawned_task;
using bight::task;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;
using test::sleep_long;

task<> sleep_with(std::shared_ptr<int> held) {
    co_await bight::sleep_for(1h);
    ++*held;
}
task<> end_after(int turns) {
    for (int i = 0; i < turns; ++i) co_await bight::yield();
}

}  // namespace

TEST_CASE("a handle cancels its own task, whose siblings and body go on") {
    test::reactor_fixture on(any_demultiplexer);
    bool sibling_ended = false;
    bool body_ended = false;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            spawned_task one = g.spawn(sleep_long);
            g.spawn([&]() -> task<> {
                co_await end_after(5);
                sibling_ended = true;
            });
            co_await bight::yield();
            CHECK_FALSE(one.ended());
            one.cancel();
            one.cancel();
            co_await one.wait();
            CHECK(one.ended());
            CHECK(g.size() == 1);
            one.cancel();
            co_await one.wait();
            body_ended = true;
        });
        CHECK(sibling_ended);
        CHECK(body_ended);
    });
}

TEST_CASE("a task that has ended has let go of what was given to it") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            auto thing = std::make_shared<int>(0);
            spawned_task one = g.spawn(sleep_with, thing);
            CHECK(thing.use_count() == 2);
            co_await bight::yield();
            one.cancel();
            co_await one.wait();
            CHECK(thing.use_count() == 1);
            CHECK(*thing == 0);
        });
    });
}

TEST_CASE("a task that is cancelled before it has begun never begins") {
    test::reactor_fixture on(any_demultiplexer);
    bool began = false;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            spawned_task one = g.spawn([&]() -> task<> {
                began = true;
                co_return;
            });
            one.cancel();
            co_await one.wait();
        });
    });
    CHECK_FALSE(began);
}

TEST_CASE("all that wait for a task go on when it has ended by itself, in their order") {
    test::reactor_fixture on(any_demultiplexer);
    std::vector<int> order;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            spawned_task one = g.spawn(end_after, 3);
            co_await bight::with_group([&](group& waiters) {
                for (int i = 0; i < 3; ++i) {
                    waiters.spawn([&, i]() -> task<> {
                        co_await one.wait();
                        order.push_back(i);
                    });
                }
            });
            CHECK(one.ended());
        });
    });
    CHECK(order == std::vector<int>{0, 1, 2});
}

TEST_CASE("a wait that is cancelled leaves the task alone") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            spawned_task one = g.spawn(sleep_long);
            const bool in_time = co_await bight::try_with_timeout(one.wait(), 1ms);
            CHECK_FALSE(in_time);
            CHECK_FALSE(one.ended());
            one.cancel();
        });
    });
}

TEST_CASE("a handle is moved with those who wait, outlives the group, and may be thrown away") {
    test::reactor_fixture on(any_demultiplexer);
    std::vector<spawned_task> kept;
    bool went_on = false;
    bool thrown_away_ended = false;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            kept.push_back(g.spawn(sleep_long));
            g.spawn([&]() -> task<> {
                co_await end_after(9);
                thrown_away_ended = true;
            });
            g.spawn([&]() -> task<> {
                co_await kept.front().wait();
                went_on = true;
            });
            co_await end_after(2);
            for (int i = 0; i < 5; ++i) kept.emplace_back();  // moves the first
            spawned_task elsewhere = std::move(kept.front());
            CHECK(kept.front().ended());
            elsewhere.cancel();
            co_await elsewhere.wait();
            kept.front() = g.spawn(end_after, 4);
        });
        CHECK(went_on);
        CHECK(thrown_away_ended);
        CHECK(kept.front().ended());
        co_await kept.front().wait();
    });
}

TEST_CASE("the error of a task is its group's, and who waits for it is cancelled") {
    test::reactor_fixture on(any_demultiplexer);
    bool went_on = false;
    on.run([&]() -> task<> {
        std::string what;
        try {
            co_await bight::with_group([&](group& g) -> task<> {
                spawned_task one = g.spawn([]() -> task<> {
                    co_await bight::yield();
                    throw std::runtime_error("bad");
                });
                co_await one.wait();
                co_await bight::yield();
                went_on = true;
            });
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        CHECK(what == "bad");
    });
    CHECK_FALSE(went_on);
}

TEST_CASE("a task that would wait for its own end is told so, at any depth") {
    test::reactor_fixture on(any_demultiplexer);
    std::vector<std::string> said;
    spawned_task one;
    auto wait_for_it = [&]() -> task<> {
        try {
            co_await one.wait();
        } catch (const std::logic_error& e) {
            said.push_back(e.what());
        }
    };
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) {
            one = g.spawn([&]() -> task<> {
                co_await wait_for_it();
                co_await bight::with_group([&](group& inner) { inner.spawn(wait_for_it); });
            });
        });
    });
    CHECK(said == std::vector<std::string>(2, "spawned_task::wait: the task would wait for its own end"));
}

TEST_CASE("a task may cancel itself") {
    test::reactor_fixture on(any_demultiplexer);
    std::vector<std::string> log;
    spawned_task one;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) {
            one = g.spawn([&]() -> task<> {
                one.cancel();
                log.push_back("still here");
                co_await bight::yield();
                log.push_back("never");
            });
        });
    });
    CHECK(one.ended());
    CHECK(log == std::vector<std::string>{"still here"});
}

TEST_CASE("a handle that goes while a task waits for it ends the process") {
    const std::string said = test::dying_words([] {
        test::reactor_fixture on(any_demultiplexer);
        on.run([]() -> task<> {
            co_await bight::with_group([](group& g) -> task<> {
                auto one = std::make_unique<spawned_task>(g.spawn(sleep_long));
                g.spawn([&]() -> task<> { co_await one->wait(); });
                co_await end_after(2);
                one.reset();
            });
        });
    });
    CHECK(said.find("the handle of a task of a group was destroyed while a task waits for it") !=
          std::string::npos);
    CHECK(said.find("spawned_task_test.cpp") != std::string::npos);
}

TEST_CASE("a group with a limit runs no more than so many tasks at once, in the order of spawning") {
    test::reactor_fixture on(any_demultiplexer);
    bight::group_options options;
    options.limit = GENERATE(1U, 3U, 20U);
    std::vector<int> begun;
    std::size_t running = 0;
    std::size_t most = 0;
    on.run([&]() -> task<> {
        co_await bight::with_group(options, [&](group& g) -> task<> {
            for (int i = 0; i < 10; ++i) {
                g.spawn([&, i]() -> task<> {
                    begun.push_back(i);
                    most = std::max(most, ++running);
                    co_await end_after(10 - i);
                    --running;
                });
            }
            CHECK(g.size() == 10);
            co_return;
        });
    });
    CHECK(begun == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    CHECK(most == std::min<std::size_t>(options.limit, 10));
}

TEST_CASE("what waits for the limit of its group begins when a place is free, and never when cancelled") {
    test::reactor_fixture on(any_demultiplexer);
    std::vector<std::string> log;
    auto note = [&](const char* name) {
        return [&log, name]() -> task<> {
            log.push_back(name);
            co_return;
        };
    };
    on.run([&]() -> task<> {
        co_await bight::with_group({.limit = 1}, [&](group& g) -> task<> {
            spawned_task first = g.spawn(sleep_long);
            spawned_task second = g.spawn(note("second"));
            spawned_task third = g.spawn(note("third"));
            auto held = std::make_shared<int>(0);
            spawned_task fourth = g.spawn(sleep_with, held);
            co_await end_after(3);
            CHECK(log.empty());
            second.cancel();
            co_await second.wait();  // needs no place
            CHECK(g.size() == 3);
            first.cancel();
            co_await third.wait();
            CHECK(log == std::vector<std::string>{"third"});
            g.spawn(note("never"));
            g.cancel();
            co_await fourth.wait();
        });
    });
    CHECK(log == std::vector<std::string>{"third"});
}

TEST_CASE("an error ends what waits for the limit of its group") {
    test::reactor_fixture on(any_demultiplexer);
    auto held = std::make_shared<int>(0);
    on.run([&]() -> task<> {
        bool failed = false;
        try {
            co_await bight::with_group({.limit = 1}, [&](group& g) {
                g.spawn([]() -> task<> {
                    co_await bight::yield();
                    throw std::runtime_error("bad");
                });
                for (int i = 0; i < 100; ++i) g.spawn(sleep_with, held);
            });
        } catch (const std::runtime_error&) {
            failed = true;
        }
        CHECK(failed);
        CHECK(held.use_count() == 1);
    });
}
