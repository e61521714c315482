// What explore prints: how to run a failure again, what it did with its time, and how far it is.
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/exploring.hpp"

#include "sim/replay_command.hpp"

#include <bight/core/sleep.hpp>
#include <bight/sim/explore.hpp>
#include <bight/sim/world.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using bight::task;
using Catch::Contains;
namespace sim = bight::sim;

namespace {

// Fails when it has suffered enough: hundreds of faults are needed, so that the plan is long.
void needs_many_faults(sim::world& w) {
    w.add("a").run([&w]() -> task<> {
        for (int i = 0; i < 400; ++i) {
            if (bight::sim::sometimes("trouble")) co_await bight::sleep_for(1ms);
        }
        if (w.count(sim::fault::user) >= 12) throw std::runtime_error("that was too much");
    });
    w.run();
}

sim::explore_options in_trouble() {
    sim::explore_options options = test::quiet(5);
    options.name = "many";
    options.world.faults.set(sim::fault::user, 0.5);
    return options;
}

// Standard error of a child that explores.
template <class F>
std::string printed_by(F explores) {
    test::child c([&](const test::witness_pipe& pipe) {
        int ends[2];
        if (::pipe(ends) != 0) return 1;
        const int saved = ::dup(2);
        std::thread reader([&] {
            char buffer[4096];
            for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
                pipe.say(std::string_view(buffer, static_cast<std::size_t>(n)));
            }
        });
        ::dup2(ends[1], 2);
        ::close(ends[1]);
        explores();
        std::fflush(stderr);
        ::dup2(saved, 2);
        reader.join();
        return 0;
    });
    CHECK(c.exit_status() == 0);
    return c.said();
}

}  // namespace

TEST_CASE("what the report of a long failure says to type makes it fail again") {
    const auto result = sim::explore(needs_many_faults, in_trouble());
    REQUIRE_FALSE(result.ok());
    const sim::seed_failure& f = *result.failure;
    INFO(f.report);
    REQUIRE(f.replay.size() > 80);
    const std::string command = sim::detail::replay_command(f.replay);
    CHECK_THAT(f.report, Contains("to run this again, here and now:\n  " + command + "\n"));
    const std::string with_all = sim::detail::replay_command(std::to_string(f.seed));
    CHECK_THAT(f.report, Contains("with all of its faults:\n  " + with_all + "\n"));
    const std::string in_lines = command.substr(16, command.find('\'', 16) - 16);
    REQUIRE(in_lines.find('\n') != std::string::npos);
    REQUIRE(::setenv("BIGHT_SIM_SEED", in_lines.c_str(), 1) == 0);
    const auto again = sim::explore(needs_many_faults, in_trouble());
    ::unsetenv("BIGHT_SIM_SEED");
    REQUIRE_FALSE(again.ok());
    CHECK(again.failure->what == f.what);
    CHECK(again.failure->faults.size() == f.faults.size());
}

TEST_CASE("the summary says what was done with the time: seeds, shrinking, and whether there was enough") {
    const auto failed = sim::explore(needs_many_faults, in_trouble());
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.shrinking > 0ns);
    CHECK_FALSE(failed.out_of_time);
    CHECK_THAT(failed.summary(), Contains("1 seed, the last failed, "));
    CHECK_THAT(failed.summary(),
               Contains("; then " + std::to_string(failed.failure->shrinking_runs) + " runs in ") &&
                   Contains(" s to find its smallest form"));
    auto options = test::quiet(~std::uint64_t{0} >> 1);
    options.limit_for_all = 200ms;
    const auto cut = sim::explore([](sim::world&) {}, options);
    CHECK(cut.out_of_time);
    CHECK_THAT(cut.summary(),
               Contains("none failed") && Contains("; limit_for_all came before the other seeds"));
    const auto whole = sim::explore([](sim::world&) {}, test::quiet(3));
    CHECK_FALSE(whole.out_of_time);
    CHECK(whole.summary().find(';') == std::string::npos);
}

TEST_CASE("what is printed of a failure ends with what was done with the time") {
    std::string summary;
    const std::string printed = printed_by([&] {
        auto options = in_trouble();
        options.quiet = false;
        const auto result = sim::explore(needs_many_faults, options);
        std::fprintf(stderr, "(%s)", result.summary().c_str());
    });
    const std::size_t last = printed.rfind("(");
    REQUIRE(last != std::string::npos);
    const std::size_t begin = printed.rfind("\n(");
    REQUIRE(begin != std::string::npos);
    const std::string said = printed.substr(begin + 2, printed.size() - begin - 3);
    CHECK_THAT(printed, Contains("bight: many: " + said + "\n"));
}

TEST_CASE("who waits for a long shrinking is told how far it is") {
    const auto slow = [](sim::world& w) {
        std::this_thread::sleep_for(100ms);  // of real time: a test that is slow
        needs_many_faults(w);
    };
    const std::string printed = printed_by([&] {
        auto options = in_trouble();
        options.quiet = false;
        options.most_shrinking_runs = 60;
        (void)sim::explore(slow, options);
    });
    CHECK_THAT(printed, Contains("bight: many: seed 1 fails (error); shrinking for ") &&
                            Contains(" runs, ") && Contains(" faults left\n"));
}
