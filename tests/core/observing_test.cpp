// Seeing inside a reactor: the tree of tasks, its counters, and who held it for too long.
#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_any.hpp>
#include <bight/sync/event.hpp>

#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// Uses the processor for so long, of real time.
void hold_the_thread(bight::duration d) {
    const auto end = bight::clock::now() + d;
    while (bight::clock::now() < end) {
    }
}

task<> hog(bight::duration d) {
    co_await bight::yield();
    hold_the_thread(d);
    co_await bight::yield();
}

task<> wait_for_ever() {
    bight::manual_reset_event never;
    co_await never.wait();
}

// So many tasks, each in the scope of the one before.
task<> nested_waits(int depth) {
    if (depth == 0) {
        co_await wait_for_ever();
    } else {
        co_await bight::with_timeout(nested_waits(depth - 1), 1h);
    }
}

// So many coroutines of one task.
task<> recursive(int depth) {
    if (depth == 0) {
        co_await wait_for_ever();
    } else {
        co_await recursive(depth - 1);
    }
}

}  // namespace

TEST_CASE("the tree of tasks says since when each waits, and how old it is") {
    test::virtual_fixture on;
    std::string tree;
    on.run([&]() -> task<> {
        auto sleeper = []() -> task<> {
            co_await bight::sleep_for(90s);
            co_await bight::sleep_for(2h);
        };
        auto look = [&]() -> task<> {
            co_await bight::sleep_for(100s + 500ms);
            tree = on.reactor().dump_tasks();
            co_await bight::sleep_for(3h);
        };
        co_await bight::try_with_timeout(bight::when_all(sleeper(), look()), 200s);
    });
    INFO(tree);
    CHECK(contains(tree, "waits for a timer (1 h 59 min left), 10.5 s so far (age 1 min 40 s)"));
    CHECK(contains(tree, "task: running (age 1 min 40 s)"));
    CHECK(contains(tree,
                   "the task given to run(): waits for a task with a time-out (1 min 39 s left), "
                   "1 min 40 s so far (age 1 min 40 s)"));
}

TEST_CASE("the tree of tasks names the operation, the descriptor and the peer that is waited for") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::string tree;
    std::string peer;
    on.run([&]() -> task<> {
        test::stream_pair pair = co_await test::connected_pair(test::family::tcp);
        peer = pair.client.peer().to_string();
        auto read = [&]() -> task<> { const bight::chunk unused = co_await pair.client.read_some(); };
        auto look = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            tree = on.reactor().dump_tasks();
        };
        const auto ended = co_await bight::when_any(read(), look());
        (void)ended;
    });
    INFO(tree);
    CHECK(contains(tree, "waits for a read from " + peer));
    CHECK(contains(tree, "(fd "));
}

TEST_CASE(
    "the tree of tasks is bounded where they are nested deeply, and shows what they wait for in the end") {
    test::virtual_fixture on;
    const int depth = GENERATE(10, 1000, 100'000);
    CAPTURE(depth);
    std::string tree;
    on.run([&]() -> task<> {
        auto look = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            tree = on.reactor().dump_tasks();
        };
        const auto ended = co_await bight::when_any(look(), nested_waits(depth));
        (void)ended;
    });
    CHECK(tree.size() < 20'000);
    CHECK(contains(tree, "waits for an event"));
    CHECK(contains(tree, "level " + std::to_string(depth + 2) + ":") == (depth > 32));
    CHECK(contains(tree, std::to_string(depth - 31) + " more tasks, nested more than 32 deep") ==
          (depth > 32));
}

TEST_CASE("of tens of thousands of tasks a thousand are shown, and the others counted by their lines") {
    test::virtual_fixture on;
    const int tasks = GENERATE(500, 30'000);
    CAPTURE(tasks);
    std::string tree;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            bight::manual_reset_event end;
            auto one_of_many = [&]() -> task<> { co_await end.wait(); };
            auto another = [&]() -> task<> { co_await bight::with_timeout(end.wait(), 1h); };
            g.spawn(another);
            for (int i = 0; i < tasks; ++i) g.spawn(one_of_many);
            co_await bight::sleep_for(1s);
            tree = on.reactor().dump_tasks();
            end.set();
        });
    });
    const bool many = tasks > 1000;
    CHECK(tree.size() < 1'000'000);
    INFO(tree.substr(tree.size() - std::min<std::size_t>(tree.size(), 1000)));
    std::size_t shown = 0;
    for (auto at = tree.find("waits for an event"); at != std::string::npos;
         at = tree.find("waits for an event", at + 1)) {
        ++shown;
    }
    CHECK(shown >= (many ? 900 : 501));
    CHECK(shown <= 1000);
    CHECK(contains(tree, " more tasks, by where they stand:\n  290") == many);
    CHECK(contains(tree, "\n  1 in ") == many);
}

TEST_CASE("a tree of tasks that is wide is shown whole, and of one that is deep and wide so many") {
    test::virtual_fixture on;
    const int depth = GENERATE(0, 100);
    std::string tree;
    on.run([&]() -> task<> {
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < 300; ++i) g.spawn(nested_waits, depth);
            co_await bight::sleep_for(1s);
            tree = on.reactor().dump_tasks();
            g.cancel();
        });
    });
    std::size_t shown = 0;
    for (std::size_t at = 0; (at = tree.find("waits for an event", at)) != std::string::npos; ++at) ++shown;
    if (depth == 0) CHECK(shown == 300);
    CHECK(shown > 20);
    CHECK(shown <= 300);
    CHECK(tree.size() < 500'000);
}

TEST_CASE("of coroutines that await each other deeply the tree shows the innermost and the outermost") {
    test::virtual_fixture on;
    std::string tree;
    on.run([&]() -> task<> {
        auto look = [&]() -> task<> {
            co_await bight::sleep_for(1s);
            tree = on.reactor().dump_tasks();
        };
        const auto ended = co_await bight::when_any(look(), recursive(100'000));
        (void)ended;
    });
    CHECK(tree.size() < 20'000);
    CHECK(contains(tree, "99938 more"));
}

TEST_CASE("request_dump logs the tree, from any thread") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    std::vector<std::string> logged;
    on.run([&]() -> task<> {
        std::thread([&r] { r.request_dump(); }).join();
        while (logged.empty()) {
            co_await bight::sleep_for(1ms);
            logged = on.take_log();
        }
    });
    REQUIRE(logged.size() == 1);
    CHECK(logged[0].find("tasks on " + std::string(r.demultiplexer_name()) +
                         ":\nthe task given to run(): ") == 0);
}

TEST_CASE("a running task that looks at the tree is shown where it went on, whatever frames it has left") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    std::string tree;
    on.run([&]() -> task<> {
        auto child = []() -> task<> {
            char large[6000];
            large[0] = 1;
            co_await bight::sleep_for(1ms);
            large[1] = large[0];
        };
        co_await child();
        tree = on.reactor().dump_tasks();
    });
    INFO(tree);
    CHECK(contains(tree, "the task given to run(): running"));
    CHECK(contains(tree, "observing_test.cpp:"));
}

TEST_CASE("a destructor that looks at the tree while its task unwinds sees no frame that is gone") {
    test::reactor_fixture on(GENERATE(from_range(test::reactors())));
    std::string tree;
    on.run([&]() -> task<> {
        struct looks {
            bight::reactor& r;
            std::string& tree;
            ~looks() { tree = r.dump_tasks(); }
        };
        auto inner = []() -> task<> {
            char large[6000];
            large[0] = 1;
            co_await bight::sleep_for(1h);
            large[1] = large[0];
        };
        auto outer = [&]() -> task<> {
            const looks at_end{on.reactor(), tree};
            co_await inner();
        };
        const bool done = co_await bight::try_with_timeout(outer(), 1ms);
        CHECK_FALSE(done);
    });
    CHECK(contains(tree, "a task with a time-out"));
}

TEST_CASE("the tree that an error handler asks for shows a task that has ended without its frames") {
    bight::reactor r;
    std::string tree;
    struct context {
        bight::reactor& r;
        std::string& tree;
    } both{r, tree};
    bight::set_error_handler(
        [](const bight::error_report&, void* c) {
            auto& to = *static_cast<context*>(c);
            to.tree = to.r.dump_tasks();
        },
        &both);
    auto fails = []() -> task<> {
        char large[6000];
        large[0] = 1;
        co_await bight::yield();
        if (large[0] == 1) throw std::runtime_error("nobody takes this");
    };
    r.start(fails);
    while (r.statistics().live_tasks > 0) r.run_once();
    r.run_once();
    bight::set_error_handler(nullptr);
    CHECK(contains(tree, "a task given to start(): ended"));
}

TEST_CASE("the counters count tasks, timers, operations, buffers and descriptors") {
    test::virtual_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::reactor& r = on.reactor();
    on.run([&]() -> task<> {
        CHECK(r.statistics().live_tasks == 1);
        const auto tasks_before = r.statistics().tasks;
        auto look = [&]() -> task<> {
            co_await bight::yield();
            CHECK(r.statistics().live_tasks == 4);
            CHECK(r.statistics().live_timers == 2);
        };
        co_await bight::when_all(look(), bight::sleep_for(1s), bight::sleep_for(2s));
        CHECK(r.statistics().live_tasks == 1);
        CHECK(r.statistics().live_timers == 0);
        CHECK(r.statistics().tasks == tasks_before + 3);

        test::stream_pair pair = co_await test::connected_pair(test::family::tcp);
        const auto before = r.statistics();
        co_await pair.client.write("hello");
        {
            const bight::chunk got = co_await pair.server.read_some();
            CHECK(got.size() == 5);
            CHECK(r.statistics().live_buffers == before.live_buffers + 1);
        }
        const auto after = r.statistics();
        CHECK(after.live_buffers == before.live_buffers);
        CHECK(after.operations == before.operations + 2);
        CHECK(after.live_descriptors >= 2);
    });
    CHECK(r.statistics().live_tasks == 0);
}

TEST_CASE("the longest turn is that of the task which held the reactor, not of its sleep") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> { co_await bight::sleep_for(30ms); });
    const auto calm = on.reactor().statistics().longest_turn;
    on.run(hog(calm + 20ms));
    const auto held = on.reactor().statistics().longest_turn;
    CHECK(held >= calm + 20ms);
}

TEST_CASE("the watch names the task that holds the reactor, the line it went on from, and where it got to") {
    bight::reactor_options options;
    options.stall_limit = 5ms;
    test::reactor_fixture on(test::demultiplexers().front(), options);
    std::vector<std::string> logged;
    on.run([&]() -> task<> {
        auto stuck_until_seen = [&]() -> task<> {
            co_await bight::yield();
            while (logged.empty()) logged = on.take_log();
            co_await bight::yield();
        };
        co_await bight::when_all(stuck_until_seen(), bight::yield());
    });
    REQUIRE(!logged.empty());
    const auto later = on.take_log();
    logged.insert(logged.end(), later.begin(), later.end());
    const auto any = [&](const std::string& part) {
        return std::any_of(logged.begin(), logged.end(),
                           [&](const auto& text) { return contains(text, part); });
    };
    for (const auto& text : logged) UNSCOPED_INFO(text);
    CHECK(any("the reactor has been held for more than 5 ms by the task that went on from "));
    CHECK(any("observing_test.cpp:"));
    CHECK(any("the reactor was held for "));
    CHECK(any(" by task, which has come to "));
}

TEST_CASE("the watch says nothing about a reactor that sleeps, or runs many short tasks") {
    bight::reactor_options options;
    options.stall_limit = 200ms;
    test::reactor_fixture on(test::demultiplexers().front(), options);
    on.run([&]() -> task<> {
        co_await bight::sleep_for(500ms);
        const auto end = bight::clock::now() + 500ms;
        while (bight::clock::now() < end) co_await bight::yield();
    });
    CHECK(on.take_log() == std::vector<std::string>{});
}
