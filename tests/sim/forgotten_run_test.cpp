// A world whose hosts have programs and which nobody runs tests nothing, and says so.
#include "support/catch.hpp"
#include "support/death.hpp"
#include "support/exploring.hpp"

#include <bight/core/sleep.hpp>
#include <bight/sim/explore.hpp>
#include <bight/sim/world.hpp>

#include <chrono>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using bight::task;
using Catch::Contains;
namespace sim = bight::sim;

namespace {

task<> nothing() { co_return; }

}  // namespace

TEST_CASE("a world that was never run ends the process, and names a host whose program did nothing") {
    const auto words_for = [](auto add) {
        return test::dying_words([&] {
            sim::world w(1);
            w.add("idle");
            add(w.add("server"));
        });
    };
    for (const std::string& words : {words_for([](sim::host& h) { h.run(nothing); }),
                                     words_for([](sim::host& h) { h.on_boot(nothing); }),
                                     words_for([](sim::host& h) { h.on_boot([] { return 0; }); })}) {
        CHECK_THAT(words, Contains("a simulated world was never run") && Contains("\"server\"") &&
                              Contains("world::run or world::run_for"));
    }
}

TEST_CASE(
    "a world without programs, one that was run at all, and one that an exception ended are no mistakes") {
    {
        sim::world w(1);
    }
    {
        sim::world w(1);
        w.add("idle");
    }
    {
        sim::world w(1);
        w.add("server").on_boot(nothing);
        w.run_for(0s);
    }
    const auto fails = [] {
        sim::world w(1);
        w.add("server").on_boot(nothing);
        throw std::runtime_error("before it was run");
    };
    CHECK_THROWS_WITH(fails(), "before it was run");
}

TEST_CASE("a world within a clean-up of an exception is looked at like any other") {
    CHECK_THAT(test::dying_words([] {
                   struct at_end {
                       ~at_end() {
                           sim::world w(1);
                           w.add("server").on_boot(nothing);
                       }
                   };
                   try {
                       const at_end here;
                       throw 1;
                   } catch (int) {
                   }
               }),
               Contains("never run"));
}

TEST_CASE("a test given to explore that forgets to run its world fails with its first seed") {
    const auto forgets = [](sim::world& w) { w.add("server").on_boot(nothing); };
    const auto result = sim::explore(forgets, test::quiet(10));
    REQUIRE_FALSE(result.ok());
    CHECK(result.seeds == 1);
    CHECK(result.failure->kind == sim::failure_kind::error);
    CHECK_THAT(result.failure->what, Contains("a simulated world was never run"));
}

TEST_CASE("a test given to explore that fails before it runs its world fails with its own error") {
    const auto fails = [](sim::world& w) {
        w.add("server").on_boot(nothing);
        throw std::runtime_error("no configuration");
    };
    const auto result = sim::explore(fails, test::quiet(10));
    REQUIRE_FALSE(result.ok());
    CHECK_THAT(result.failure->what, Contains("no configuration"));
}
