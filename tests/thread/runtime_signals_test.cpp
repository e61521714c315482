// How signals of other processes stop all the reactors of a runtime; those that it raises itself are in
// runtime_raised_signals_test.cpp.
#include <bight/core/finally.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/thread/runtime.hpp>

#include "support/child.hpp"
#include "support/reactors.hpp"
#include "support/runtimes.hpp"

#include <atomic>
#include <chrono>
#include <string>

using bight::task;
using test::child;
using test::three_reactors;
using test::witness_pipe;
using namespace std::chrono_literals;

TEST_CASE("the first signal stops all reactors in good order; the exit status is 128 + its number") {
    const int signal = GENERATE(SIGTERM, SIGINT);
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    child c([&](const witness_pipe& pipe) {
        bight::runtime all(three_reactors(kind));
        std::atomic<int> begun{0};
        std::atomic<int> cleaned{0};
        auto root = [&]() -> task<> {
            auto waits = [&]() -> task<> {
                if (++begun == 3) pipe.say("ready\n");
                co_await bight::sleep_for(1h);
            };
            auto clean_up = [&]() -> task<> {
                co_await bight::sleep_for(1ms);
                ++cleaned;
            };
            co_await bight::finally(waits(), clean_up);
        };
        const int status = all.run(root);
        return cleaned == 3 ? status : 99;
    });
    REQUIRE(c.has_said("ready\n"));
    c.send(signal);
    CHECK(c.exit_status() == 128 + signal);
}

TEST_CASE("the second signal ends the shields of all reactors") {
    child c([](const witness_pipe& pipe) {
        bight::runtime all(three_reactors(bight::demultiplexer_kind::automatic));
        std::atomic<int> begun{0};
        auto root = [&]() -> task<> {
            auto waits = [&]() -> task<> {
                if (++begun == 3) pipe.say("ready\n");
                co_await bight::sleep_for(1h);
            };
            co_await bight::shield(waits(), 2h);
        };
        return all.run(root);
    });
    REQUIRE(c.has_said("ready\n"));
    // The same one twice: of two that are delivered to different threads either handler may begin first.
    c.send_delivered(SIGTERM);
    c.send_delivered(SIGTERM);
    CHECK(c.exit_status() == 128 + SIGTERM);
}

TEST_CASE("for values, a signal throws interrupted") {
    child c([](const witness_pipe& pipe) {
        bight::runtime all(three_reactors(bight::demultiplexer_kind::automatic));
        auto root = [&](std::size_t i) -> task<std::string> {
            if (i == 0) pipe.say("ready\n");
            co_await bight::sleep_for(1h);
            co_return "never";
        };
        try {
            (void)all.run(root);
        } catch (const bight::interrupted& e) {
            return e.signal();
        }
        return 0;
    });
    REQUIRE(c.has_said("ready\n"));
    c.send(SIGTERM);
    CHECK(c.exit_status() == SIGTERM);
}
