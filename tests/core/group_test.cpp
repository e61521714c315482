#include <bight/core/error.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>

#include "support/death.hpp"
#include "support/reactors.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using bight::group;
using bight::task;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;
using log_of = std::vector<std::string>;

class witness {
  public:
    witness(log_of& log, std::string name) : log_(log), name_(std::move(name)) {}
    witness(const witness&) = delete;
    witness& operator=(const witness&) = delete;
    ~witness() { log_.push_back(name_); }

  private:
    log_of& log_;
    std::string name_;
};

task<> sleep_long(log_of& log, const char* name) {
    const witness here(log, name);
    co_await bight::sleep_for(1h);
    log.push_back("woke");
}
task<> fail_after(bight::duration d, const char* what) {
    co_await bight::sleep_for(d);
    throw std::runtime_error(what);
}
task<> fail_now(const char* what) {
    throw std::runtime_error(what);
    co_return;
}
task<> count_to(int& n, int turns) {
    for (int i = 0; i < turns; ++i) {
        co_await bight::yield();
        ++n;
    }
}

}  // namespace

TEST_CASE("with_group returns when the body and all that was spawned have ended") {
    test::reactor_fixture on(any_demultiplexer);
    int a = 0;
    int b = 0;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            g.spawn(count_to(a, 10));
            g.spawn(count_to, std::ref(b), 20);
            CHECK(g.size() == 2);
            co_return;  // the children go on
        });
        CHECK(a == 10);
        CHECK(b == 20);
        co_await bight::with_group([](group&) -> task<> { co_return; });
    });
}

TEST_CASE("a body that only spawns is a plain function, and what it throws is an error like any other") {
    int ended = 0;
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) {
            for (int i = 0; i < 3; ++i) {
                g.spawn([&]() -> task<> {
                    co_await bight::yield();
                    ++ended;
                });
            }
        });
        CHECK(ended == 3);
        std::string why;
        try {
            co_await bight::with_group([](group&) { throw std::runtime_error("no"); });
        } catch (const std::runtime_error& e) {
            why = e.what();
        }
        CHECK(why == "no");
    });
}

TEST_CASE("spawned tasks begin in order, in the next turn") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            for (int i = 0; i < 4; ++i) {
                auto child = [&log, i]() -> task<> {
                    log.push_back("child " + std::to_string(i));
                    co_return;
                };
                g.spawn(child);
            }
            log.push_back("body");
            co_return;
        });
    });
    CHECK(log == log_of{"body", "child 0", "child 1", "child 2", "child 3"});
}

TEST_CASE("an error cancels the siblings and the body, waits for them, and comes out") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto body = [&](group& g) -> task<> {
        g.spawn(sleep_long, std::ref(log), "first");
        g.spawn(fail_after, 2ms, "bad");
        g.spawn(sleep_long, std::ref(log), "third");
        co_await sleep_long(log, "body");
    };
    on.run([&]() -> task<> {
        std::string what;
        try {
            co_await bight::with_group(body);
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        log.push_back("caught " + what);
    });
    REQUIRE(log.size() == 4);
    CHECK(log.back() == "caught bad");
    for (const char* name : {"first", "third", "body"}) {
        CHECK(std::count(log.begin(), log.end(), std::string(name)) == 1);
    }
}

TEST_CASE("with_group waits for a sibling whose clean-up takes time before the error comes out") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run([&]() -> task<> {
        auto slow = [&]() -> task<> {
            auto clean = [&]() -> task<> {
                co_await bight::sleep_for(5ms);
                log.push_back("cleaned");
            };
            co_await bight::finally(sleep_long(log, "sleeper"), clean);
        };
        auto body = [&](group& g) -> task<> {
            g.spawn(slow);
            g.spawn(fail_after, 1ms, "bad");
            co_return;
        };
        try {
            co_await bight::with_group(body);
        } catch (const std::runtime_error&) {
            log.push_back("caught");
        }
    });
    CHECK(log == log_of{"sleeper", "cleaned", "caught"});
}

TEST_CASE("several errors come out as an aggregate_error, in the order in which they came") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        auto body = [&](group& g) -> task<> {
            g.spawn(fail_now, "one");
            g.spawn(fail_now, "two");
            co_await bight::sleep_for(1h);
        };
        std::string what;
        std::size_t count = 0;
        std::string first;
        try {
            co_await bight::with_group(body);
        } catch (const bight::aggregate_error& e) {
            what = e.what();
            count = e.errors().size();
            try {
                std::rethrow_exception(e.errors()[0]);
            } catch (const std::runtime_error& inner) {
                first = inner.what();
            }
        }
        // The second one had begun, and thrown, before the first one's error could cancel it.
        CHECK(count == 2);
        CHECK(first == "one");
        CHECK(what.find("one") != std::string::npos);
        CHECK(what.find("two") != std::string::npos);
    });
}

TEST_CASE("an error of the body cancels the children") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto body = [&](group& g) -> task<> {
        g.spawn(sleep_long, std::ref(log), "child");
        co_await bight::yield();
        co_await bight::yield();
        throw std::runtime_error("body");
    };
    CHECK_THROWS_WITH(on.run([&]() -> task<> { co_await bight::with_group(body); }), "body");
    CHECK(log == log_of{"child"});
}

TEST_CASE("what calling the body throws, before it is a task, is an error like any other") {
    test::reactor_fixture on(any_demultiplexer);
    auto body = [](group&) -> task<> { throw std::runtime_error("no task"); };
    CHECK_THROWS_WITH(on.run([&]() -> task<> { co_await bight::with_group(body); }), "no task");
}

TEST_CASE("what calling a spawned callable throws comes out of spawn, and nothing was started") {
    test::reactor_fixture on(any_demultiplexer);
    const auto held = std::make_shared<int>(1);
    on.run([&]() -> task<> {
        auto body = [&](group& g) -> task<> {
            auto refuses = [held]() -> task<> { throw std::runtime_error("no task"); };
            CHECK_THROWS_WITH(g.spawn(refuses), "no task");
            CHECK(g.size() == 0);
            CHECK_FALSE(g.cancelled());
            co_return;
        };
        co_await bight::with_group(body);
    });
    CHECK(held.use_count() == 1);
}

TEST_CASE("a capturing lambda spawned from a temporary, and its arguments, live until its task ends") {
    test::reactor_fixture on(any_demultiplexer);
    std::string result;
    const auto counted = std::make_shared<int>(1);
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            {
                std::string captured = "captured text, longer than a small string";
                g.spawn(
                    [captured, counted, &result](std::string argument, std::unique_ptr<int> owned) -> task<> {
                        co_await bight::sleep_for(2ms);
                        result = captured + "/" + argument + "/" + std::to_string(*owned);
                    },
                    std::string("an argument, longer than a small string"), std::make_unique<int>(7));
            }
            CHECK(counted.use_count() == 2);
            co_return;
        });
        CHECK(counted.use_count() == 1);
    });
    CHECK(result == "captured text, longer than a small string/an argument, longer than a small string/7");
}

TEST_CASE("the arguments of spawn are copies, or references where std::ref says so") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        int referred = 0;
        std::string copied = "before";
        std::string seen;
        co_await bight::with_group([&](group& g) -> task<> {
            auto child = [&seen](int& r, const std::string& c) -> task<> {
                co_await bight::yield();
                r = 5;
                seen = c;
            };
            g.spawn(child, std::ref(referred), copied);
            copied = "after";
            co_return;
        });
        CHECK(referred == 5);
        CHECK(seen == "before");
    });
}

TEST_CASE("cancel() ends all tasks of a group, and with_group returns normally") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            g.spawn(sleep_long, std::ref(log), "one");
            g.spawn(sleep_long, std::ref(log), "two");
            co_await bight::sleep_for(1ms);
            g.cancel();
            g.cancel();  // again: nothing
            CHECK(g.cancelled());
            log.push_back("body goes on to its next await");
            co_await bight::yield();
            log.push_back("never");
        });
        log.push_back("returned");
        co_await bight::yield();
        log.push_back("and goes on");
    });
    CHECK(log.size() == 5);
    CHECK(log.front() == "body goes on to its next await");
    CHECK(log.back() == "and goes on");
    CHECK(std::count(log.begin(), log.end(), std::string("never")) == 0);
}

TEST_CASE("a task spawned in a cancelled group is never begun") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    const auto held = std::make_shared<int>(1);
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            g.cancel();
            auto child = [&log, held]() -> task<> {
                log.push_back("begun");
                co_return;
            };
            g.spawn(child);
            co_return;
        });
    });
    CHECK(log.empty());
    CHECK(held.use_count() == 1);
}

TEST_CASE("a task that was spawned and not yet begun is never begun when the group is cancelled") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](group& g) -> task<> {
            auto child = [&log]() -> task<> {
                log.push_back("begun");
                co_return;
            };
            g.spawn(child);
            g.cancel();
            co_return;
        });
    });
    CHECK(log.empty());
}

TEST_CASE("a cancellation from outside cancels the children, waits for them, and is passed on") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run([&]() -> task<> {
        auto inner = [&]() -> task<> {
            const witness here(log, "outer frame");
            co_await bight::with_group([&](group& g) -> task<> {
                g.spawn(sleep_long, std::ref(log), "child");
                co_await sleep_long(log, "body");
            });
            log.push_back("never");
        };
        const bool done = co_await bight::try_with_timeout(inner(), 2ms);
        CHECK_FALSE(done);
    });
    CHECK(log == log_of{"body", "child", "outer frame"});
}

TEST_CASE("children that end well although they were cancelled let with_group return: success wins") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run([&]() -> task<> {
        auto inner = [&]() -> task<> {
            co_await bight::with_group([&](group& g) -> task<> {
                auto child = [&]() -> task<> {
                    log.push_back("child");
                    co_return;
                };
                g.spawn(child);
                log.push_back("body");
                co_return;
            });
            log.push_back("returned");
            co_await bight::yield();
            log.push_back("never");
        };
        co_await bight::with_group([&](group& g) -> task<> {
            g.spawn(inner);
            co_await bight::yield();
            co_await bight::yield();
            g.cancel();
        });
    });
    REQUIRE(log.size() >= 3);
    CHECK(log[2] == "returned");
}

TEST_CASE("an error comes out of a group that was cancelled from outside at the same time") {
    test::reactor_fixture on(any_demultiplexer);
    on.run([&]() -> task<> {
        std::string what;
        auto inner = [&]() -> task<> {
            auto body = [&](group& g) -> task<> {
                auto fails_when_cancelled = [&]() -> task<> {
                    auto clean = []() -> task<> { co_return; };
                    auto sleeper = []() -> task<> { co_await bight::sleep_for(1h); };
                    co_await bight::finally(sleeper(), clean);
                };
                g.spawn(fails_when_cancelled);
                g.spawn(fail_after, 1ms, "bad");
                co_await bight::sleep_for(1h);
            };
            try {
                co_await bight::with_group(body);
            } catch (const std::runtime_error& e) {
                what = e.what();
            }
        };
        const bool done = co_await bight::try_with_timeout(inner(), 1h);
        CHECK(done);
        CHECK(what == "bad");
    });
}

TEST_CASE("children may spawn siblings, and groups nest") {
    test::reactor_fixture on(any_demultiplexer);
    int leaves = 0;
    on.run([&]() -> task<> {
        std::function<task<>(group&, int)> grow = [&](group& g, int depth) -> task<> {
            co_await bight::yield();
            if (depth == 0) {
                ++leaves;
                co_return;
            }
            for (int i = 0; i < 3; ++i) g.spawn(grow, std::ref(g), depth - 1);
        };
        auto body = [&](group& g) -> task<> {
            auto inner = [&](group& nested) -> task<> { co_await grow(nested, 3); };
            co_await bight::with_group(inner);
            CHECK(leaves == 27);
            co_await grow(g, 2);
        };
        co_await bight::with_group(body);
    });
    CHECK(leaves == 27 + 9);
}

TEST_CASE("ten thousand children, half of which are cancelled") {
    test::reactor_fixture on(any_demultiplexer);
    int ended = 0;
    on.run([&]() -> task<> {
        auto body = [&](group& g) -> task<> {
            for (int i = 0; i < 10'000; ++i) {
                auto child = [&ended, i]() -> task<> {
                    if (i % 2 == 0) co_await bight::sleep_for(1h);
                    co_await bight::yield();
                    ++ended;
                };
                g.spawn(child);
            }
            while (ended < 5'000) co_await bight::yield();
            CHECK(g.size() <= 5'001);
            g.cancel();
        };
        co_await bight::with_group(body);
    });
    CHECK(ended == 5'000);
}

#ifndef NDEBUG
TEST_CASE("spawning on another thread ends the program, and says what to write instead") {
    const std::string said = test::dying_words([] {
        bight::reactor r;
        auto root = []() -> task<> {
            auto body = [](bight::group& g) -> task<> {
                std::thread([&g] {
                    auto nothing = []() -> task<> { co_return; };
                    g.spawn(nothing);
                }).join();
                co_return;
            };
            co_await bight::with_group(body);
        };
        r.run(root());
    });
    CHECK_THAT(said, Catch::Contains("group::spawn was called on another thread") &&
                         Catch::Contains("reactor::post"));
}
#endif
