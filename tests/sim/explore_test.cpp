// Failures planted on purpose: they are found, named and made small.
#include "echo_server.hpp"

#include "support/catch.hpp"
#include "support/echo.hpp"
#include "support/exploring.hpp"
#include "support/reactors.hpp"
#include "support/skip.hpp"
#include "support/thread_sanitizer.hpp"

#include <bight/bight.hpp>
#include <bight/sim/explore.hpp>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using Catch::Contains;
using test::echo;
using test::serve_echo;
using test::turn_for_ever;
namespace sim = bight::sim;

namespace {

// Sends a text in small pieces; gives what came back.
task<> ask(std::string& answer) {
    bight::stream peer = co_await bight::connect("tcp:server:7000");
    for (int i = 0; i < 10; ++i) {
        co_await peer.write("0123456789");
        std::size_t got = 0;
        while (got < 10) {
            auto data = co_await peer.read_some();
            if (!data) co_return;
            got += data.view().size();
            answer += data.view();
        }
    }
}

// An echo server, and a client whose answer is given to `check`.
template <class Check>
void echo_world(sim::world& w, Check check) {
    auto& answer = w.own<std::string>();
    w.add("server").on_boot(serve_echo);
    w.add("client").run([&answer]() -> task<> { co_await ask(answer); });
    w.run();
    check(w, answer);
}

// Much noise: what bytes may endure.
sim::fault_plan noise() {
    sim::fault_plan faults;
    faults.set(sim::fault::short_read, 0.3)
        .set(sim::fault::small_segment, 0.3)
        .set(sim::fault::slow_packet, 0.05);
    faults.set(sim::fault::slow_completion, 0.05);
    return faults;
}

// Fails when the look-up takes long, which is for one fault only.
void impatient(sim::world& w) {
    echo_world(w, [](sim::world& at, const std::string& answer) {
        if (answer.size() != 100) throw std::runtime_error("bytes are lost");
        if (at.count(sim::fault::slow_name) > 0) {
            throw std::runtime_error("it took " + std::to_string(at.elapsed().count()) + " ns");
        }
    });
}

// Under AddressSanitizer each comes from the heap, and explore has no say in where.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool frames_are_kept = false;
#elif defined(__has_feature)
constexpr bool frames_are_kept = !__has_feature(address_sanitizer);
#else
constexpr bool frames_are_kept = true;
#endif

using variable = test::environment_variable;

}  // namespace

TEST_CASE("a test that holds is run for every seed, and the virtual time is added up") {
    auto options = test::quiet(40);
    options.world.faults = noise();
    options.run_twice_each = 4;
    const auto run = [&] {
        return sim::explore(
            [](sim::world& w) {
                echo_world(w, [](sim::world& at, const std::string& answer) {
                    if (answer.size() != 100) throw std::runtime_error("bytes are lost");
                    at.run_for(1h);
                });
            },
            options);
    };
    const auto result = run();
    INFO((result.failure ? result.failure->report : ""));
    CHECK(result.ok());
    CHECK(result.seeds == 40);
    CHECK(result.simulated > 0s);
    CHECK(result.real > 0s);
    CHECK(result.hours_per_second() > 0);
    CHECK_THAT(result.summary(), Contains("40 seeds, none failed"));
    options.jobs = 1;
    CHECK(run().simulated == result.simulated);
}

TEST_CASE(
    "a failure of some seeds is found at the first of them, and shrunk to the one fault that it needs") {
    auto options = test::quiet(500);
    options.world.faults = noise().set(sim::fault::slow_name, 0.02);
    const auto result = sim::explore(impatient, options);
    REQUIRE_FALSE(result.ok());
    const sim::seed_failure& f = *result.failure;
    INFO(f.report);
    CHECK(f.kind == sim::failure_kind::error);
    CHECK(f.seed == result.seeds);
    CHECK(f.seed > 1);
    CHECK(f.what.starts_with("std::runtime_error: it took "));
    CHECK(f.faults_before > 5);
    REQUIRE(f.faults.size() == 1);
    CHECK(f.faults[0].name == "slow_name");
    CHECK_THAT(f.trace.at(f.faults[0].line.value()), Contains("slow_name"));
    CHECK_FALSE(f.cut_short);
    CHECK_THAT(f.report, Contains("1 is left after shrinking: slow_name"));
    CHECK_THAT(f.report, Contains("BIGHT_SIM_SEED=" + f.replay));

    SECTION("every seed before it is without failure") {
        sim::explore_options before = options;
        before.seeds = f.seed - 1;
        CHECK(sim::explore(impatient, before).ok());
    }
    SECTION("any number of processes gives the same report") {
        for (const unsigned jobs : {1U, 3U}) {
            options.jobs = jobs;
            const auto again = sim::explore(impatient, options);
            REQUIRE_FALSE(again.ok());
            CHECK(again.failure->report == f.report);
        }
    }
    SECTION("the plan that is left makes the same seed fail so") {
        sim::world_options smallest = options.world;
        smallest.faults = f.smallest;
        sim::world w(f.seed, smallest);
        CHECK_THROWS_AS(impatient(w), std::runtime_error);
        CHECK(w.count(sim::fault::slow_name) == 1);
        CHECK(w.count(sim::fault::short_read) == 0);
    }
    SECTION("BIGHT_SIM_SEED runs it in this process") {
        const pid_t here = ::getpid();
        int runs = 0;
        const auto test = [&](sim::world& w) {
            ++runs;
            CHECK(::getpid() == here);
            CHECK(w.seed() == f.seed);
            impatient(w);
        };
        {
            const variable replay("BIGHT_SIM_SEED", f.replay);
            const auto again = sim::explore(test, options);
            REQUIRE_FALSE(again.ok());
            CHECK(again.failure->what == f.what);
            CHECK(again.failure->trace == f.trace);
            CHECK(again.failure->replay == f.replay);
        }
        {
            const variable replay("BIGHT_SIM_SEED", std::to_string(f.seed));
            const auto again = sim::explore(test, options);
            REQUIRE_FALSE(again.ok());
            CHECK(again.failure->faults.size() == f.faults_before);
        }
        {
            const variable replay("BIGHT_SIM_SEED", std::to_string(f.seed) + ":faults=");
            CHECK(sim::explore(test, options).ok());
        }
        CHECK(runs == 3);
    }
}

TEST_CASE("two faults that are needed together are both left") {
    auto options = test::quiet(500);
    options.world.faults = noise().set(sim::fault::slow_name, 0.1).set(sim::fault::lost_connect, 0.1);
    const auto result = sim::explore(
        [](sim::world& w) {
            echo_world(w, [](sim::world& at, const std::string&) {
                if (at.count(sim::fault::slow_name) > 0 && at.count(sim::fault::lost_connect) > 0) {
                    throw std::runtime_error("both");
                }
            });
        },
        options);
    REQUIRE_FALSE(result.ok());
    INFO(result.failure->report);
    std::vector<std::string> names;
    for (const auto& f : result.failure->faults) names.push_back(f.name);
    CHECK(names == std::vector<std::string>{"slow_name", "lost_connect"});
}

TEST_CASE("one of many faults of the same kind is found") {
    auto options = test::quiet(200);
    options.world.faults.set(sim::fault::short_read, 0.4);
    const auto result = sim::explore(
        [](sim::world& w) {
            auto& smallest = w.own<std::size_t>(10U);
            w.add("server").on_boot(serve_echo);
            w.add("client").run([&]() -> task<> {
                bight::stream peer = co_await bight::connect("tcp:server:7000");
                for (int i = 0; i < 30; ++i) {
                    co_await peer.write("0123456789");
                    for (std::size_t got = 0; got < 10;) {
                        auto data = co_await peer.read_some();
                        if (i == 20) smallest = std::min(smallest, data.view().size());
                        got += data.view().size();
                    }
                }
            });
            w.run();
            if (smallest < 10) throw std::runtime_error("the answer comes in parts");
        },
        options);
    REQUIRE_FALSE(result.ok());
    INFO(result.failure->report);
    CHECK(result.failure->faults_before > 10);
    CHECK(result.failure->faults.size() == 1);
    CHECK_FALSE(result.failure->cut_short);
}

TEST_CASE("a failure that needs no fault is shrunk to none, with the tree of tasks") {
    auto options = test::quiet(10);
    options.world.faults = noise();
    const auto result = sim::explore(
        [](sim::world& w) {
            w.add("server").on_boot(serve_echo);
            w.add("client").run([]() -> task<> {
                std::string answer;
                co_await ask(answer);
                bight::manual_reset_event never;
                co_await never.wait();
            });
            w.run();
        },
        options);
    REQUIRE_FALSE(result.ok());
    INFO(result.failure->report);
    CHECK(result.failure->seed == 1);
    CHECK(result.failure->faults_before > 0);
    CHECK(result.failure->faults.empty());
    CHECK_THAT(result.failure->what, Contains("deadlock"));
    CHECK_THAT(result.failure->tasks, Contains("host client"));
    CHECK_THAT(result.failure->tasks, Contains("explore_test.cpp"));
    CHECK(result.failure->replay == "1:faults=");
}

TEST_CASE("a test that does not do the same twice is reported as such") {
    auto options = test::quiet(50);
    SECTION("for it draws a number from elsewhere") {
        const auto result = sim::explore(
            [](sim::world& w) {
                w.add("client").run([&w]() -> task<> {
                    std::random_device real;
                    w.note("drew " + std::to_string(real()));
                    co_return;
                });
                w.run();
            },
            options);
        REQUIRE_FALSE(result.ok());
        INFO(result.failure->report);
        CHECK(result.failure->kind == sim::failure_kind::not_repeatable);
        CHECK_THAT(result.failure->what, Contains("drew "));
        CHECK_THAT(result.failure->what, Contains("line 1"));
    }
    SECTION("for it goes by an address") {
        const auto result = sim::explore(
            [](sim::world& w) {
                w.add("client").run([&w]() -> task<> {
                    const auto on_heap = std::make_unique<char[]>(700);
                    w.note("at " + std::to_string(reinterpret_cast<std::uintptr_t>(on_heap.get())));
                    co_return;
                });
                w.run();
            },
            options);
        REQUIRE_FALSE(result.ok());
        CHECK(result.failure->kind == sim::failure_kind::not_repeatable);
    }
    if (frames_are_kept) {
        SECTION("for it goes by the addresses of what lies in frames") {
            // Three tasks, each with something in its frame that a map puts in order by address.
            const auto result = sim::explore(
                [](sim::world& w) {
                    auto& all = w.own<std::map<const int*, int>>();
                    w.add("client").run([&]() -> task<> {
                        auto child = [&](int number) -> task<> {
                            const int here = number;
                            all.emplace(&here, number);
                            co_await bight::sleep_for(1s);
                        };
                        co_await bight::when_all(child(0), child(1), child(2));
                        for (const auto& [address, number] : all) w.note("child " + std::to_string(number));
                    });
                    w.run();
                },
                options);
            REQUIRE_FALSE(result.ok());
            INFO(result.failure->report);
            CHECK(result.failure->kind == sim::failure_kind::not_repeatable);
            CHECK_THAT(result.failure->what, Contains("child "));
        }
    }
    SECTION("for it remembers what ran before") {
        if (!test::seeds_have_processes) test::skip(test::no_processes);
        options.run_twice_each = 0;
        options.jobs = 1;
        int runs = 0;
        const auto result = sim::explore(
            [&](sim::world&) {
                if (++runs > 3) throw std::runtime_error("the fourth");
            },
            options);
        REQUIRE_FALSE(result.ok());
        INFO(result.failure->report);
        CHECK(result.failure->kind == sim::failure_kind::not_repeatable);
        CHECK(result.failure->seed == 4);
        CHECK_THAT(result.failure->what, Contains("by itself it does not"));
    }
}

TEST_CASE("an exit is a failure, too") {
    if (!test::seeds_have_processes) test::skip(test::no_processes);
    const auto result = sim::explore(
        [](sim::world& w) {
            if (w.seed() == 3) ::_exit(0);
        },
        test::quiet(10));
    REQUIRE_FALSE(result.ok());
    CHECK(result.failure->seed == 3);
    CHECK(result.failure->kind == sim::failure_kind::crash);
    CHECK_THAT(result.failure->what, Contains("status 0"));
}

TEST_CASE("a crash is a failure of the seed that ran, and is shrunk as any other") {
    if (!test::seeds_have_processes) test::skip(test::no_processes);
    if (!test::handlers_may_allocate) test::skip(test::no_reports_from_handlers);
    auto options = test::quiet(300);
    options.world.faults = noise().set(sim::fault::slow_name, 0.02);
    const auto result = sim::explore(
        [](sim::world& w) {
            echo_world(w, [](sim::world& at, const std::string&) {
                if (at.count(sim::fault::slow_name) > 0) std::abort();
            });
        },
        options);
    REQUIRE_FALSE(result.ok());
    const sim::seed_failure& f = *result.failure;
    INFO(f.report);
    CHECK(f.kind == sim::failure_kind::crash);
    CHECK_THAT(f.what, Contains("SIGABRT"));
    REQUIRE(f.faults.size() == 1);
    CHECK(f.faults[0].name == "slow_name");
    CHECK_THAT(f.tasks, Contains("host server"));
}

TEST_CASE("a test that never ends is a failure of its seed") {
    if (!test::seeds_have_processes) test::skip(test::no_processes);
    if (!test::handlers_may_allocate) test::skip(test::no_reports_from_handlers);
    auto options = test::quiet(20);
    options.limit_for_each = 1s;
    const auto result = sim::explore(
        [](sim::world& w) {
            w.add("client").run([&w]() -> task<> {
                co_await bight::sleep_for(1s);
                if (w.seed() == 5) turn_for_ever();
            });
            w.run();
        },
        options);
    REQUIRE_FALSE(result.ok());
    const sim::seed_failure& f = *result.failure;
    INFO(f.report);
    CHECK(f.seed == 5);
    CHECK(f.kind == sim::failure_kind::hang);
    CHECK_THAT(f.tasks, Contains("running"));
    CHECK_THAT(f.tasks, Contains("explore_test.cpp"));
}

TEST_CASE("a task that nobody frees is a failure") {
    const auto result = sim::explore(
        [](sim::world& w) {
            if (w.seed() != 2) return;
            new task<>(serve_echo());
        },
        test::quiet(10));
    REQUIRE_FALSE(result.ok());
    CHECK(result.failure->kind == sim::failure_kind::leak);
    CHECK(result.failure->seed == 2);
}

TEST_CASE("the trace of a failure is written where it was asked for") {
    std::string directory = (std::filesystem::temp_directory_path() / "bight-explore-XXXXXX").string();
    REQUIRE(::mkdtemp(directory.data()));
    auto options = test::quiet(5);
    options.directory = directory;
    options.name = "echo & co";
    const auto result = sim::explore(
        [](sim::world& w) {
            echo_world(w, [](sim::world&, const std::string&) { throw std::runtime_error("always"); });
        },
        options);
    REQUIRE_FALSE(result.ok());
    const std::string lines = directory + "/echo___co-seed-1.jsonl";
    const std::string page = directory + "/echo___co-seed-1.html";
    CHECK_THAT(result.failure->report, Contains(lines));
    CHECK_THAT(result.failure->report, Contains(page));
    std::stringstream written;
    written << std::ifstream(lines).rdbuf();
    std::string expected;
    for (const auto& line : result.failure->trace) expected += line + "\n";
    CHECK_FALSE(expected.empty());
    CHECK(written.str() == expected);
    CHECK(std::ifstream(page).good());
    std::remove(lines.c_str());
    std::remove(page.c_str());
    ::rmdir(directory.c_str());
}

TEST_CASE("no seeds, and limits") {
    auto options = test::quiet(0);
    CHECK(sim::explore([](sim::world&) {}, options).seeds == 0);
    options.seeds = ~std::uint64_t{0} >> 1;
    options.limit_for_all = 200ms;
    const auto result = sim::explore([](sim::world&) {}, options);
    CHECK(result.ok());
    CHECK(result.seeds > 0);
}

TEST_CASE("a seed that is none is refused") {
    for (const char* const wrong :
         {"", "x", "1x", ":faults=1", "1:", "1:kinds=nothing", "1:faults=g", "1:else=2"}) {
        const variable replay("BIGHT_SIM_SEED", wrong);
        INFO(wrong);
        if (!std::getenv("BIGHT_SIM_SEED")) continue;  // Windows has no variables that are empty
        if (std::string(wrong) == "1:") {
            CHECK(sim::explore([](sim::world&) {}, test::quiet(1)).ok());
        } else {
            CHECK_THROWS_AS(static_cast<void>(sim::explore([](sim::world&) {}, test::quiet(1))),
                            std::invalid_argument);
        }
    }
}
