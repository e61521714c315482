// Memory that runs out in a simulated world: it does so for the program only.
#include "support/catch.hpp"
#include "support/echo.hpp"

#include <bight/bight.hpp>
#include <bight/sim/allocation_fault.hpp>
#include <bight/sim/explore.hpp>
#include <bight/sim/faults.hpp>
#include <bight/sim/injection.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
using test::echo;
namespace sim = bight::sim;

namespace {

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

task<> serve_echo() { co_await bight::serve("tcp:7000", echo); }

task<> say_hello() {
    bight::stream peer = co_await bight::connect("tcp:server:7000");
    std::string text(100, 'x');
    co_await peer.write(text);
    std::string answer;
    while (answer.size() < text.size()) {
        auto data = co_await peer.read_some();
        if (!data) co_return;
        answer += data.view();
    }
}

// A compiler may leave out a new that nobody sees, and clang does.
template <class T>
T* seen(T* p) {
    asm volatile("" : : "r"(p) : "memory");
    return p;
}

// What tests lose on purpose; LeakSanitizer finds it here.
int* lost[64];
int** next_lost = lost;
int* lose(int* p) {
    *next_lost = p;
    if (next_lost < lost + 63) ++next_lost;
    return p;
}

template <class F, class... More>
std::string broken(F make, More... more) {
    try {
        sim::fail_allocations_everywhere(make, more...);
    } catch (const sim::broken_at& e) {
        return e.what();
    }
    return {};
}

}  // namespace

TEST_CASE("each allocation of a task fails once, and then each with all that follow") {
    int runs = 0;
    const auto tally = sim::fail_allocations_everywhere([&]() -> task<> {
        ++runs;
        co_await bight::yield();
        const std::unique_ptr<int> first(seen(new int(1)));
        co_await bight::yield();
        const std::unique_ptr<int> second(seen(new int(2)));
        co_await bight::sleep_for(1s);
    });
    CHECK(tally.allocations == 2);
    CHECK(tally.endured == 0);
    CHECK(runs == 2 + 2 * 2);
}

TEST_CASE(
    "a client leaves nothing whichever of its allocations fails, and the network needs no memory of its") {
    sim::everywhere_options options;
    const bool cuts_and_is_late = GENERATE(false, true);
    CAPTURE(cuts_and_is_late);
    if (cuts_and_is_late) {
        options.world.faults.set(sim::fault::short_read, 0.5).set(sim::fault::small_segment, 0.5);
        options.world.faults.set(sim::fault::slow_completion, 0.3).set(sim::fault::slow_name, 0.5);
    }
    const auto tally = sim::fail_allocations_everywhere(
        [](sim::world& w) {
            w.add("server").on_boot(serve_echo);
            return say_hello();
        },
        [](sim::world& w) { w.note("checked"); }, options);
    CHECK(tally.allocations > 3);
}

TEST_CASE("a server endures what fails, or ends with bad_alloc") {
    // Some of its connections fail.
    bight::set_error_handler([](const bight::error_report&, void*) {});
    bight::set_log_handler([](bight::log_level, std::string_view, void*) {});
    const auto tally = sim::fail_allocations_everywhere([](sim::world& w) {
        w.add("client").run([]() -> task<> {
            const auto ask = []() -> task<> {
                bight::stream peer = co_await bight::connect("tcp:here:7000");
                co_await peer.write("hello");
                auto answer = co_await peer.read_some();
            };
            try {
                co_await bight::with_timeout(ask(), 10s);
            } catch (const std::system_error&) {  // its connection may be dropped
            }
        });
        return []() -> task<> {
            const bool in_time = co_await bight::try_with_timeout(serve_echo(), 20s);
            CHECK_FALSE(in_time);
        }();
    });
    bight::set_error_handler(nullptr);
    bight::set_log_handler(nullptr);
    CHECK(tally.allocations > 3);
}

TEST_CASE("a block that is lost when another cannot be had is found") {
    const auto found = broken([]() -> task<> {
        auto* const first = lose(new int(1));
        auto* const second = seen(new int(2));
        delete first;
        delete second;
        co_return;
    });
    INFO(found);
    CHECK(contains(found, "1 blocks of memory"));
    CHECK(contains(found, "without memory for allocation 2 of 2"));
}

TEST_CASE("an error that hides what has happened is found") {
    const auto found = broken([]() -> task<> {
        try {
            std::vector<int> many(1000);
            seen(many.data());
        } catch (const std::bad_alloc&) {
            throw std::invalid_argument("your file is broken");
        }
        co_return;
    });
    CHECK(contains(found, "it did not end well: your file is broken"));
}

TEST_CASE("a block of memory that a cancelled task leaves is found") {
    const auto leaks = []() -> task<> {
        auto* const block = lose(new int(1));
        co_await bight::sleep_for(1s);
        delete block;
    };
    std::string found;
    try {
        sim::cancel_everywhere(leaks);
    } catch (const sim::broken_at& e) {
        found = e.what();
    }
    CHECK(contains(found, "1 blocks of memory"));
}

TEST_CASE("explore: memory that is left when a world is gone is a failure, what is made once is none") {
    sim::explore_options options;
    options.seeds = 10;
    options.quiet = true;
    options.most_shrinking_runs = 0;
    const auto explore_with = [&options](void (*program)(std::uint64_t seed)) {
        return sim::explore(
            [program](sim::world& w) {
                w.add("server").on_boot(serve_echo);
                w.add("client").run([program, seed = w.seed()]() -> task<> {
                    co_await say_hello();
                    program(seed);
                });
                w.run();
            },
            options);
    };
    const auto once = explore_with([](std::uint64_t) {
        static int* const made_once = lose(seen(new int(1)));
        seen(made_once);
    });
    INFO((once.failure ? once.failure->report : ""));
    CHECK(once.ok());

    const auto again = explore_with([](std::uint64_t seed) {
        if (seed == 4) lose(seen(new int(1)));
    });
    REQUIRE_FALSE(again.ok());
    CHECK(again.failure->seed == 4);
    CHECK(again.failure->kind == sim::failure_kind::leak);
    CHECK(contains(again.failure->what, "blocks of memory are left when the world is gone: 1"));
}
