// Signals that a program raises in itself, as all systems have them; those of other processes are in
// signals_test.cpp.
#include <bight/core/finally.hpp>
#include <bight/core/run.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>

#include "support/child.hpp"
#include "support/gate.hpp"
#include "support/on_destruction.hpp"
#include "support/reactors.hpp"
#include "support/signal_handlers.hpp"

#include <signal.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using bight::task;
using test::child;
using test::gate;
using test::handler_of;
using test::on_destruction;
using test::witness_pipe;
using namespace std::chrono_literals;

namespace {

bool is_default(int signal) { return handler_of(signal) == SIG_DFL; }

extern "C" void own_handler(int) {}

// Opens the gate, behind which a thread raises a signal.
task<> wait_for_the_end(gate& waits) {
    waits.open();
    co_await bight::sleep_for(1h);
}
task<> level(const witness_pipe& pipe, gate& waits, int n) {
    const std::string text = "level " + std::to_string(n) + "\n";
    const on_destruction at_end{pipe, text};
    if (n == 3) {
        co_await wait_for_the_end(waits);
    } else {
        co_await level(pipe, waits, n + 1);
    }
}
task<> tidy(const witness_pipe& pipe) {
    co_await bight::sleep_for(1ms);
    pipe.say("clean-up\n");
}
task<> tree(const witness_pipe& pipe, gate& waits) {
    const on_destruction at_end{pipe, "tree\n"};
    auto clean_up = [&pipe]() { return tidy(pipe); };
    co_await bight::finally(level(pipe, waits, 1), clean_up);
    pipe.say("went on\n");
}

}  // namespace

TEST_CASE("a signal that is raised cancels the task, which unwinds in order; the status is 128 + its number") {
    const int signal = GENERATE(SIGTERM, SIGINT);
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    child c([&](const witness_pipe& pipe) {
        bight::run_options options;
        options.reactor.demultiplexer = kind;
        gate waits;
        std::thread raises([&] {
            waits.pass();
            ::raise(signal);
        });
        const int status = bight::run(tree(pipe, waits), options);
        raises.join();
        return status;
    });
    CHECK(c.exit_status() == 128 + signal);
    CHECK(c.said() == "level 3\nlevel 2\nlevel 1\nclean-up\ntree\n");
}

TEST_CASE("the second signal that is raised ends a clean-up that would take an hour") {
    child c([](const witness_pipe& pipe) {
        gate waits;
        gate cleans_up;
        std::thread raises([&] {
            waits.pass();
            ::raise(SIGTERM);
            cleans_up.pass();
            ::raise(SIGINT);
        });
        auto endless = [&]() -> task<> {
            const on_destruction at_end{pipe, "clean-up ended\n"};
            co_await wait_for_the_end(cleans_up);
        };
        auto root = [&]() -> task<> {
            const on_destruction at_end{pipe, "root ended\n"};
            co_await bight::finally(wait_for_the_end(waits), endless, 2h);
        };
        const int status = bight::run(root());
        raises.join();
        return status;
    });
    CHECK(c.exit_status() == 128 + SIGTERM);
    CHECK(c.said() == "clean-up ended\nroot ended\n");
}

TEST_CASE("the third signal that is raised ends the process at once, whatever its tasks do") {
    child c([](const witness_pipe& pipe) {
        gate waits;
        gate is_stuck;
        std::thread raises([&] {
            waits.pass();
            ::raise(SIGTERM);
            is_stuck.pass();
            ::raise(SIGINT);
            ::raise(SIGINT);
        });
        auto stubborn = [&]() -> task<> {
            is_stuck.open();
            for (;;) std::this_thread::yield();
            co_return;
        };
        auto root = [&]() -> task<> {
            const on_destruction at_end{pipe, "root ended\n"};
            co_await bight::finally(wait_for_the_end(waits), stubborn);
        };
        return bight::run(root());
    });
    CHECK(c.exit_status() == 128 + SIGINT);
    CHECK(c.said().empty());
}

TEST_CASE("a signal that is raised ends the runs of all threads, and one that begins while they end") {
    child c([](const witness_pipe&) {
        int first = 0;
        int second = 0;
        int late = 0;
        gate first_waits;
        gate second_waits;
        gate late_waits;
        auto third = [&]() -> task<> {
            std::thread t([&] { late = bight::run(wait_for_the_end(late_waits)); });
            t.join();
            co_return;
        };
        auto root = [&]() -> task<> { co_await bight::finally(wait_for_the_end(first_waits), third); };
        std::thread a([&] { first = bight::run(root()); });
        std::thread b([&] { second = bight::run(wait_for_the_end(second_waits)); });
        first_waits.pass();
        second_waits.pass();
        ::raise(SIGTERM);
        a.join();
        b.join();
        if (!is_default(SIGTERM)) return 10;
        if (first != 128 + SIGTERM) return 11;
        if (second != 128 + SIGTERM) return 12;
        return late == 128 + SIGTERM ? 0 : 13;
    });
    CHECK(c.exit_status() == 0);
}

TEST_CASE("run puts the handlers back, and a later run begins anew") {
    child c([](const witness_pipe& pipe) {
        bool during = true;
        auto look = [&]() -> task<> {
            during = is_default(SIGTERM) || is_default(SIGINT);
            ::raise(SIGTERM);
            co_await bight::sleep_for(1h);
        };
        if (bight::run(look()) != 128 + SIGTERM) return 10;
        if (during) return 11;
        if (!is_default(SIGTERM) || !is_default(SIGINT)) return 12;
        auto fine = []() -> task<int> {
            co_await bight::yield();
            co_return 3;
        };
        if (bight::run(fine()) != 3) return 13;
        if (bight::run(look()) != 128 + SIGTERM) return 14;
        pipe.say("all\n");
        return 0;
    });
    CHECK(c.exit_status() == 0);
    CHECK(c.said() == "all\n");
}

TEST_CASE("run leaves signals that are ignored, or that the program handles, as they are") {
    child c([](const witness_pipe&) {
        ::signal(SIGINT, SIG_IGN);
        auto survive = []() -> task<int> {
            ::raise(SIGINT);
            co_await bight::sleep_for(2ms);
            co_return 4;
        };
        if (bight::run(survive()) != 4) return 10;
        ::signal(SIGINT, &own_handler);
        auto look = []() -> task<int> { co_return handler_of(SIGINT) == &own_handler ? 5 : 11; };
        if (bight::run(look()) != 5) return 11;
        if (handler_of(SIGINT) != &own_handler) return 12;
        return bight::run(survive()) == 4 ? 0 : 13;
    });
    CHECK(c.exit_status() == 0);
}

TEST_CASE("a handler that the program sets while it runs is not overwritten at the end of the run") {
    child c([](const witness_pipe&) {
        auto installs = []() -> task<int> {
            ::signal(SIGTERM, &own_handler);
            ::signal(SIGINT, SIG_IGN);
            co_return 0;
        };
        if (bight::run(installs()) != 0) return 10;
        if (handler_of(SIGTERM) != &own_handler) return 11;
        return handler_of(SIGINT) == SIG_IGN ? 0 : 12;
    });
    CHECK(c.exit_status() == 0);
}

TEST_CASE("without handle_signals run touches no handler") {
    child c([](const witness_pipe&) {
        bight::run_options options;
        options.handle_signals = false;
        auto look = []() -> task<int> { co_return is_default(SIGTERM) && is_default(SIGINT) ? 0 : 10; };
        return bight::run(look(), options);
    });
    CHECK(c.exit_status() == 0);
}

TEST_CASE("handlers are put back after more runs at once than can be told of a signal") {
    child c([](const witness_pipe&) {
        bight::reactor r;
        {
            std::vector<std::unique_ptr<bight::detail::signal_stop>> many;
            for (int i = 0; i < 70; ++i)
                many.push_back(std::make_unique<bight::detail::signal_stop>(r, true));
            if (is_default(SIGTERM)) return 10;
        }
        return is_default(SIGTERM) ? 0 : 11;
    });
    CHECK(c.exit_status() == 0);
}
