// What the tree of tasks and reports call a task, and which of its lines come first.
#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/interval.hpp>
#include <bight/core/movable_deadline.hpp>
#include <bight/core/name_task.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/core/when_any.hpp>
#include <bight/io/line_reader.hpp>

#include "support/connections.hpp"
#include "support/decimal_comma.hpp"
#include "support/reactors.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

using bight::task;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

// Runs `make()` beside a task that takes the tree after a second.
template <class F>
std::string tree_beside(test::reactor_fixture& on, F make) {
    std::string tree;
    on.run([&]() -> task<> {
        auto look = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            tree = on.reactor().dump_tasks();
        };
        const auto ended = co_await bight::when_any(look(), make());
        (void)ended;
    });
    return tree;
}

task<> sleep_named(std::string name) {
    bight::name_task(name);
    co_await bight::sleep_for(90s);
}

}  // namespace

TEST_CASE("a task that has a name is shown with it, with what it awaits, until it takes another or none") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    auto named = [](int names) -> task<> {
        bight::name_task("GET /x for 1.2.3.4");
        if (names > 1) bight::name_task("GET /y");
        if (names > 2) bight::name_task("");
        co_await bight::sleep_for(1h);
    };
    CHECK_THAT(tree_beside(on, [&] { return named(1); }),
               Contains("task \"GET /x for 1.2.3.4\": waits for a timer"));
    CHECK_THAT(tree_beside(on, [&] { return named(2); }),
               Contains("task \"GET /y\": waits") && !Contains("/x"));
    CHECK_THAT(tree_beside(on, [&] { return named(3); }), Contains("task: waits") && !Contains("\""));
}

TEST_CASE("a name is that of the whole task, whichever of its coroutines gave it, and not of its children") {
    test::virtual_fixture on;
    const auto tree = tree_beside(on, []() -> task<> {
        auto inner = []() -> task<> {
            bight::name_task("from within");
            co_return;
        };
        co_await inner();
        co_await bight::when_all(sleep_named("the child"), bight::sleep_for(1h));
    });
    CHECK_THAT(tree, Contains("task \"from within\": waits for 2 tasks"));
    CHECK_THAT(tree, Contains("task \"the child\": waits for a timer"));
    CHECK_THAT(tree, Contains("task: waits for a timer (59 min 59 s left)"));
}

TEST_CASE("text from a peer in a name cannot write lines of its own, and is cut at a character") {
    test::virtual_fixture on;
    CHECK_THAT(tree_beside(on, [] { return sleep_named("a\nb\x1b[2J\x7f\"é"); }),
               Contains("task \"a\\x0ab\\x1b[2J\\x7f\"é\": waits"));
    const auto long_name = tree_beside(on, [] { return sleep_named(std::string(199, 'x') + "éééé"); });
    CHECK_THAT(long_name, Contains("x…\": waits") && !Contains("é"));
}

TEST_CASE("an error that nobody takes is reported with the name of its task") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    on.reactor().start([]() -> task<> {
        bight::name_task("nightly copy");
        co_await bight::yield();
        throw std::runtime_error("no space left");
    });
    on.run([]() -> task<> { co_await bight::sleep_for(1ms); });
    const auto reports = on.take_errors();
    REQUIRE(reports.size() == 1);
    CHECK_THAT(reports[0], Contains("error in a task given to start() \"nightly copy\": no space left\n"));
}

TEST_CASE("the error of a named child is its parent's, under the parent's name") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    const bool parent_has_one = GENERATE(false, true);
    on.reactor().start([parent_has_one]() -> task<> {
        auto child = []() -> task<> {
            bight::name_task("the child");
            co_await bight::yield();
            throw std::runtime_error("of the child");
        };
        if (parent_has_one) bight::name_task("the parent");
        co_await bight::when_all(child(), bight::sleep_for(1ms));
    });
    on.run([]() -> task<> { co_await bight::sleep_for(2ms); });
    const auto reports = on.take_errors();
    REQUIRE(reports.size() == 1);
    CHECK_THAT(reports[0],
               Contains(parent_has_one ? "start() \"the parent\": of the child" : "start(): of the child"));
    CHECK_THAT(reports[0], Contains("task_names_test.cpp:"));
}

TEST_CASE("name_task outside of tasks is an error that names the line") {
    CHECK_THROWS_AS(bight::name_task("nobody"), std::logic_error);
    CHECK_THROWS_WITH(bight::name_task("nobody"),
                      Contains("task_names_test.cpp:") && Contains("name_task was called outside of tasks"));
}

TEST_CASE("the tree says how long each timer still has") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    const auto tree = tree_beside(on, []() -> task<> {
        bight::interval every(5s, bight::missed_ticks::burst, bight::first_tick::after_a_period);
        auto tick = [&]() -> task<> { (void)co_await every.tick(); };
        auto shielded = []() -> task<> {
            auto cancelled = [](auto wait) -> task<> { co_await bight::shield(wait(), 40s); };
            auto wait = []() -> task<> { co_await bight::sleep_for(2h); };
            (void)co_await bight::try_with_timeout(cancelled(wait), 500ms);
        };
        auto moved = []() -> task<> {
            bight::movable_deadline limit(20s);
            auto push = [&]() -> task<> {
                co_await bight::sleep_for(500ms);
                limit.push();
                co_await bight::sleep_for(1h);
            };
            co_await bight::with_timeout(push(), limit);
        };
        auto never = []() -> task<> { co_await bight::sleep_for(bight::duration::max()); };
        co_await bight::when_all(bight::with_timeout(sleep_named("limited"), 200s), tick(), shielded(),
                                 moved(), never());
    });
    CHECK_THAT(tree, Contains("waits for a task with a time-out (3 min 19 s left)"));
    CHECK_THAT(tree, Contains("\"limited\": waits for a timer (1 min 29 s left)"));
    CHECK_THAT(tree, Contains("waits for a tick (4.0 s left)"));
    CHECK_THAT(tree, Contains("waits for a task with a movable deadline (19.5 s left)"));
    CHECK_THAT(tree, Contains("waits for a shielded task (39.5 s left) (cancelled)"));
    CHECK_THAT(tree, Contains("waits for a timer (which is never due)"));
}

TEST_CASE("the numbers in the tree do not follow the locale") {
    const test::decimal_comma has_comma;
    test::virtual_fixture on;
    CHECK_THAT(tree_beside(on, [] { return sleep_named("x"); }), Contains(", 1.0 s so far (age"));
}

TEST_CASE("the tree lists the program's lines before those of bight, in trees and in reports") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::string tree;
    on.run([&]() -> task<> {
        test::stream_pair pair = co_await test::connected_pair(test::family::tcp);
        auto read = [&]() -> task<> {
            bight::line_reader lines(pair.client);
            (void)co_await lines.next();
        };
        auto look = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            tree = on.reactor().dump_tasks();
        };
        const auto ended = co_await bight::when_any(read(), look());
        (void)ended;
    });
    const auto mine = tree.find("in a lambda in ", tree.find("waits for a read"));
    const auto bights = tree.find("through bight::");
    INFO(tree);
    REQUIRE(mine != std::string::npos);
    REQUIRE(bights != std::string::npos);
    CHECK(mine < bights);
    CHECK(tree.find("in bight::") == std::string::npos);
}

TEST_CASE("the logged tree names its reactor") {
    bight::reactor_options options;
    const bool named = GENERATE(false, true);
    if (named) options.name = "billing";
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())), options);
    const std::string kind(on.reactor().demultiplexer_name());
    on.run([&]() -> task<> {
        on.reactor().request_dump();
        co_await bight::sleep_for(1ms);
    });
    const auto logged = on.take_log();
    REQUIRE(logged.size() == 1);
    CHECK_THAT(logged[0],
               Catch::StartsWith(named ? "tasks on billing (" + kind + "):\nthe task given to run()"
                                       : "tasks on " + kind + ":\nthe task given to run()"));
}
