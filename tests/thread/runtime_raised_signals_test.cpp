// How a signal that the program raises in itself stops all the reactors of a runtime.
#include <bight/core/finally.hpp>
#include <bight/core/sleep.hpp>
#include <bight/thread/runtime.hpp>

#include "support/child.hpp"
#include "support/reactors.hpp"
#include "support/runtimes.hpp"
#include "support/signal_handlers.hpp"
#include "support/thread_count.hpp"

#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>

using bight::task;
using test::child;
using test::three_reactors;
using test::witness_pipe;
using namespace std::chrono_literals;

TEST_CASE("a signal that is raised stops all reactors in good order; the exit status is 128 + its number") {
    const int signal = GENERATE(SIGTERM, SIGINT);
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    child c([&](const witness_pipe&) {
        bight::runtime all(three_reactors(kind));
        test::thread_count begun;
        std::atomic<int> cleaned{0};
        std::thread raises([&] {
            begun.wait_until(3);
            ::raise(signal);
        });
        auto root = [&]() -> task<> {
            auto waits = [&]() -> task<> {
                begun.add();
                co_await bight::sleep_for(1h);
            };
            auto clean_up = [&]() -> task<> {
                co_await bight::sleep_for(1ms);
                ++cleaned;
            };
            co_await bight::finally(waits(), clean_up);
        };
        const int status = all.run(root);
        raises.join();
        return cleaned == 3 ? status : 99;
    });
    CHECK(c.exit_status() == 128 + signal);
}

TEST_CASE("a handler that a task sets is not overwritten at the end of a runtime's run") {
    child c([](const witness_pipe&) {
        bight::runtime all(three_reactors(bight::demultiplexer_kind::automatic));
        auto root = [](std::size_t i) -> task<> {
            if (i == 1) ::signal(SIGTERM, SIG_IGN);
            co_return;
        };
        if (all.run(root) != 0) return 10;
        return test::handler_of(SIGTERM) == SIG_IGN ? 0 : 11;
    });
    CHECK(c.exit_status() == 0);
}
