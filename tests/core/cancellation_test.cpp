#include <bight/core/deferred.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/group.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/core/when_any.hpp>
#include <bight/io/line_reader.hpp>
#include <bight/io/outbox.hpp>

#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

using test::any_demultiplexer;
using log_of = std::vector<std::string>;

struct mark {
    log_of& to;
    std::string name;
    mark(log_of& log, std::string text) : to(log), name(std::move(text)) {}
    mark(const mark&) = delete;
    mark& operator=(const mark&) = delete;
    ~mark() { to.push_back(name); }
};

// Runs `t` and cancels it after that many turns.
task<> cancelled_after_turns(int turns, task<> t) {
    co_await bight::with_group([&](bight::group& g) -> task<> {
        g.spawn(std::move(t));
        for (int i = 0; i < turns; ++i) co_await bight::yield();
        g.cancel();
    });
}

// The last parameter is a temporary of the caller that lives until the await has ended.
task<> nested(log_of& log, int depth, const mark&) {
    const mark first(log, "local a" + std::to_string(depth));
    const mark second(log, "local b" + std::to_string(depth));
    if (depth == 5) {
        co_await bight::sleep_for(1h);
    } else {
        co_await nested(log, depth + 1, mark(log, "temporary " + std::to_string(depth + 1)));
    }
    log.push_back("never");
}

}  // namespace

TEST_CASE("a cancellation runs the destructors of nested tasks innermost first, as an exception does") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto outer = [&]() -> task<> { co_await nested(log, 1, mark(log, "temporary 1")); };
    on.run([&]() -> task<> { co_await cancelled_after_turns(2, outer()); });
    log_of expected;
    for (int depth = 5; depth >= 1; --depth) {
        for (const char* what : {"local b", "local a", "temporary "})
            expected.push_back(what + std::to_string(depth));
    }
    CHECK(log == expected);
}

TEST_CASE("no handler sees a cancellation, not even catch (...)") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto t = [&]() -> task<> {
        const mark here(log, "unwound");
        try {
            co_await bight::sleep_for(1h);
            log.push_back("went on");
        } catch (...) {
            log.push_back("caught");
        }
        log.push_back("after");
    };
    on.run([&]() -> task<> { co_await cancelled_after_turns(2, t()); });
    CHECK(log == log_of{"unwound"});
}

TEST_CASE("a result that is queued when the cancellation comes is kept, and the next await ends the task") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    on.run([&]() -> task<> {
        bight::deferred<std::string> result;
        auto t = [&]() -> task<> {
            const mark here(log, "unwound");
            const std::string got = co_await result;
            log.push_back(got);
            co_await bight::yield();
            log.push_back("never");
        };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(t);
            co_await bight::yield();
            co_await bight::yield();
            result.set_value("the result");
            g.cancel();
            co_return;
        });
    });
    CHECK(log == log_of{"the result", "unwound"});
}

TEST_CASE("in a cancelled task every kind of await ends it, although its result is there") {
    test::reactor_fixture on(any_demultiplexer);
    int ended = 0;
    log_of log;
    on.run([&]() -> task<> {
        bight::deferred<> fired;
        fired.set_value();
        const std::vector<std::function<task<>()>> awaits{
            [&]() -> task<> { co_await fired; },
            [&]() -> task<> { co_await bight::yield(); },
            [&]() -> task<> { co_await bight::sleep_for(0ms); },
            [&]() -> task<> { co_await bight::with_timeout(bight::yield(), 1h); },
            [&]() -> task<> { co_await bight::when_all(bight::yield(), bight::yield()); },
            [&]() -> task<> { co_await bight::when_any(bight::yield(), bight::yield()); },
            [&]() -> task<> { co_await bight::with_group([](bight::group&) -> task<> { co_return; }); },
        };
        for (const auto& last : awaits) {
            auto t = [&]() -> task<> {
                struct count {
                    int& n;
                    ~count() { ++n; }
                };
                const count here{ended};
                co_await bight::shield(bight::sleep_for(1ms), 1h);  // the cancellation comes in here
                co_await last();
                log.push_back("went on");
            };
            co_await cancelled_after_turns(2, t());
        }
        CHECK(ended == static_cast<int>(awaits.size()));
    });
    CHECK(log == log_of{});
}

TEST_CASE("a task that was cancelled before it began never begins") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto t = [&]() -> task<> {
        log.push_back("began");
        co_return;
    };
    on.run([&]() -> task<> { co_await cancelled_after_turns(0, t()); });
    CHECK(log == log_of{});
}

TEST_CASE("a cancellation reaches the innermost of nested scopes, and a shield outside waits for it") {
    test::reactor_fixture on(any_demultiplexer);
    log_of log;
    auto leaf = [&](const char* name) -> task<> {
        const mark here(log, name);
        co_await bight::sleep_for(1h);
    };
    auto in_group = [&]() -> task<> {
        auto body = [&](bight::group& g) -> task<> {
            g.spawn(leaf, "spawned");
            co_await leaf("body");
        };
        const mark here(log, "group");
        co_await bight::with_group(body);
    };
    auto in_timeout = [&]() -> task<> {
        const mark here(log, "time-out");
        co_await bight::with_timeout(in_group(), 1h);
    };
    auto in_all = [&]() -> task<> {
        const mark here(log, "all");
        co_await bight::when_all(in_timeout(), leaf("beside"));
    };
    auto root = [&]() -> task<> {
        const mark here(log, "root");
        co_await bight::shield(in_all(), 1ms);
        log.push_back("never");
    };
    on.run([&]() -> task<> { co_await cancelled_after_turns(4, root()); });
    REQUIRE(log.size() == 7);
    const auto at = [&](const char* name) { return std::find(log.begin(), log.end(), name) - log.begin(); };
    CHECK(at("spawned") < at("group"));
    CHECK(at("body") < at("group"));
    CHECK(at("group") < at("time-out"));
    CHECK(at("time-out") < at("all"));
    CHECK(at("beside") < at("all"));
    CHECK(log.back() == "root");
}

TEST_CASE("an error that a cancelled scope ends with is not hidden by the tasks that were cut short") {
    test::reactor_fixture on(any_demultiplexer);
    auto fails_later = []() -> task<> {
        co_await bight::sleep_for(2ms);
        throw std::runtime_error("of a task that could not be cut short");
    };
    auto shielded = [&]() -> task<> { co_await bight::shield(fails_later(), 1h); };
    auto sleeper = []() -> task<> { co_await bight::sleep_for(1h); };
    auto in_group = [&]() -> task<> {
        auto body = [&](bight::group& g) -> task<> {
            g.spawn(shielded);
            g.spawn(sleeper);
            co_await bight::sleep_for(1h);
        };
        co_await bight::with_group(body);
    };
    auto in_all = [&]() -> task<> { co_await bight::when_all(shielded(), sleeper()); };
    for (const bool group : {true, false}) {
        CAPTURE(group);
        std::string what;
        on.run([&]() -> task<> {
            co_await bight::with_group([&](bight::group& g) -> task<> {
                auto scope = [&]() -> task<> {
                    try {
                        if (group) {
                            co_await in_group();
                        } else {
                            co_await in_all();
                        }
                    } catch (const std::runtime_error& e) {
                        what = e.what();
                    }
                };
                g.spawn(scope);
                co_await bight::sleep_for(1ms);
                g.cancel();
            });
        });
        CHECK(what == "of a task that could not be cut short");
    }
}

TEST_CASE("a conversation that is cancelled at any step leaves no frame and no descriptor behind") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    const auto family =
        GENERATE(from_range(test::those_here({test::family::tcp, test::family::unix_abstract})));
    bool finished = false;
    // Until it is through before the cancellation comes. While tasks are ready all the time the demultiplexer
    // is asked only now and then, hence steps of several turns.
    int turns = 0;
    for (; turns < 200 && !finished; ++turns) {
        test::reactor_fixture on(kind);
        auto conversation = [&]() -> task<> {
            auto both = co_await test::connected_pair(family);
            auto server = [&]() -> task<> {
                bight::line_reader lines(both.server);
                bight::outbox out(both.server);
                while (auto line = co_await lines.next()) co_await out.push(*line + "\r\n");
                co_await out.flush();
            };
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn(server);
                bight::line_reader lines(both.client);
                for (int i = 0; i < 3; ++i) {
                    co_await bight::with_timeout(both.client.write("hello\r\n"), 1h);
                    const auto answer = co_await bight::with_timeout(lines.next(), 1h);
                    CHECK(answer == "hello");
                }
                co_await both.client.shutdown_write();
            });
            finished = true;
        };
        on.run([&]() -> task<> { co_await cancelled_after_turns(turns * 24, conversation()); });
    }
    CHECK(turns > 3);
    CHECK(finished);
}
