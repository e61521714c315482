// runtime: a reactor for each core, started and stopped as one.
#include <bight/thread/runtime.hpp>

#include "support/catch.hpp"
#include "support/few_descriptors.hpp"
#include "support/reactors.hpp"
#include "support/runtimes.hpp"
#include "support/thread_count.hpp"

#include <bight/core/deferred.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/run.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/sync/event.hpp>

#include <sched.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using bight::runtime;
using bight::task;
using namespace std::chrono_literals;

namespace {

task<> for_an_hour() { co_await bight::sleep_for(1h); }

}  // namespace

TEST_CASE("a task runs on each reactor, each on a thread of its own, and the values come in their order") {
    test::runtime_fixture on(GENERATE(from_range(test::demultiplexers())), 3);
    runtime& all = on.runtime();
    REQUIRE(all.size() == 3);
    CHECK(all.index_here() == 3);
    auto root = [&](std::size_t index) -> task<std::pair<std::size_t, std::thread::id>> {
        co_await bight::sleep_for(1ms);
        const bool at_home = bight::reactor::current() == &all.reactor(index);
        co_return std::pair(at_home ? all.index_here() : 7, std::this_thread::get_id());
    };
    const auto got = all.run(root);
    REQUIRE(got.size() == 3);
    std::set<std::thread::id> threads{std::this_thread::get_id()};
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(got[i].first == i);
        threads.insert(got[i].second);
    }
    CHECK(threads.size() == 4);
}

TEST_CASE("it may run again, on the same threads") {
    test::runtime_fixture on(GENERATE(from_range(test::demultiplexers())));
    auto root = []() -> task<std::thread::id> {
        co_await bight::yield();
        co_return std::this_thread::get_id();
    };
    const auto first = on.runtime().run(root);
    const auto second = on.runtime().run(root);
    CHECK(first == second);
}

TEST_CASE("each reactor has its own copy of the callable, kept until all have ended") {
    test::runtime_fixture on(test::demultiplexers().front(), 3);
    struct counting {
        explicit counting(std::atomic<int>& n) : alive(&n) { ++*alive; }
        counting(const counting& other) : alive(other.alive) { ++*alive; }
        counting& operator=(const counting&) = delete;
        ~counting() { --*alive; }
        std::atomic<int>* alive;
    };
    std::atomic<int> alive{0};
    auto root = [text = std::string(100, 'x'), n = 0, here = counting(alive)]() mutable -> task<int> {
        co_await bight::sleep_for(1ms);
        ++n;
        co_return text.size() == 100 && *here.alive >= 4 ? n - 1 : 7;
    };
    CHECK(on.runtime().run(root) == 0);
    CHECK(alive == 1);
}

TEST_CASE("values that only move come back") {
    test::runtime_fixture on(test::demultiplexers().front());
    auto root = [](std::size_t i) -> task<std::unique_ptr<std::size_t>> {
        co_return std::make_unique<std::size_t>(i * 10);
    };
    const auto got = on.runtime().run(root);
    REQUIRE(got.size() == 2);
    CHECK(*got[0] == 0);
    CHECK(*got[1] == 10);
}

TEST_CASE("the exit status is 0, or the first in the order of the reactors that is not") {
    test::runtime_fixture on(test::demultiplexers().front(), 3);
    auto nothing = []() -> task<> { co_await bight::yield(); };
    CHECK(on.runtime().run(nothing) == 0);
    auto zero = []() -> task<int> { co_return 0; };
    CHECK(on.runtime().run(zero) == 0);
    auto late = [](std::size_t i) -> task<int> {
        co_await bight::sleep_for(std::chrono::milliseconds(3 - i));
        co_return static_cast<int>(i * 2);
    };
    CHECK(on.runtime().run(late) == 2);
}

TEST_CASE("an error of one stops the others in good order, is reported, and the exit status is 1") {
    test::runtime_fixture on(GENERATE(from_range(test::demultiplexers())), 3);
    std::atomic<int> cleaned{0};
    test::thread_count others_work;
    auto root = [&](std::size_t i) -> task<> {
        if (i == 1) {
            others_work.wait_until(2);
            throw std::runtime_error("the second one failed");
        }
        auto work = [&]() -> task<> {
            others_work.add();
            co_await for_an_hour();
        };
        auto clean_up = [&]() -> task<> {
            co_await bight::sleep_for(1ms);
            ++cleaned;
        };
        co_await bight::finally(work(), clean_up);
    };
    CHECK(on.runtime().run(root) == 1);
    CHECK(cleaned == 2);
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("the task of reactor 1") &&
                              Catch::Contains("the second one failed") &&
                              Catch::Contains("runtime_test.cpp"));
}

TEST_CASE("for values, the error of one is thrown, and those of several as an aggregate_error") {
    test::runtime_fixture on(test::demultiplexers().front(), 3);
    auto one = [](std::size_t i) -> task<std::string> {
        if (i == 2) throw std::runtime_error("no value");
        co_await for_an_hour();
        co_return "never";
    };
    CHECK_THROWS_WITH(on.runtime().run(one), "no value");
    auto each = [](std::size_t i) -> task<std::string> {
        auto fails = [i]() -> task<> {
            throw std::runtime_error("failed " + std::to_string(i));
            co_return;
        };
        co_await bight::finally(for_an_hour(), fails);
        throw std::runtime_error("failed " + std::to_string(i));
    };
    std::thread stops([&] { on.runtime().stop(); });
    try {
        (void)on.runtime().run(each);
        FAIL_CHECK("it returned");
    } catch (const bight::run_cancelled&) {  // the clean-up's error has gone to the error handler
    }
    stops.join();
    CHECK(on.take_errors().size() <= 3);
    auto both = [](std::size_t i) -> task<std::string> {
        if (i == 0) co_return "well";
        throw std::runtime_error("failed");
    };
    try {
        (void)on.runtime().run(both);
        FAIL_CHECK("it returned");
    } catch (const bight::aggregate_error& e) {
        CHECK(e.errors().size() == 2);
    } catch (const std::runtime_error& e) {  // the second was stopped before it began
        CHECK(std::string(e.what()) == "failed");
    }
}

TEST_CASE("what the callable itself throws is an error like any other") {
    test::runtime_fixture on(test::demultiplexers().front());
    auto root = [](std::size_t i) -> task<> {  // not a coroutine
        if (i == 0) throw std::runtime_error("not even a task");
        return for_an_hour();
    };
    CHECK(on.runtime().run(root) == 1);
    const auto errors = on.take_errors();
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("not even a task"));
}

TEST_CASE("stop, from any thread, ends all in good order; the exit status is 1, and values are refused") {
    test::runtime_fixture on(GENERATE(from_range(test::demultiplexers())), 3);
    std::atomic<int> begun{0};
    std::atomic<int> cleaned{0};
    auto work = [&]() -> task<> {
        ++begun;
        auto clean_up = [&]() -> task<> {
            co_await bight::sleep_for(1ms);
            ++cleaned;
        };
        co_await bight::finally(for_an_hour(), clean_up);
    };
    auto stop_when_begun = [&](int count) {
        while (begun < count) std::this_thread::yield();
        on.runtime().stop();
    };
    {
        std::thread stops([&] { stop_when_begun(3); });
        CHECK(on.runtime().run(work) == 1);
        stops.join();
    }
    CHECK(cleaned == 3);
    auto value = [&]() -> task<std::string> {
        co_await work();
        co_return "never";
    };
    {
        std::thread stops([&] { stop_when_begun(6); });
        CHECK_THROWS_AS(on.runtime().run(value), bight::run_cancelled);
        stops.join();
    }
    CHECK(cleaned == 6);
}

TEST_CASE("a stop of one reactor is a stop of all") {
    test::runtime_fixture on(GENERATE(from_range(test::demultiplexers())), 3);
    std::atomic<int> begun{0};
    std::atomic<int> ended{0};
    auto root = [&](std::size_t i) -> task<> {
        struct at_end {
            std::atomic<int>& n;
            ~at_end() { ++n; }
        } const here{ended};
        ++begun;
        while (i == 2 && begun < 3) co_await bight::sleep_for(100us);
        if (i == 2) bight::reactor::current()->stop();
        co_await for_an_hour();
    };
    CHECK(on.runtime().run(root) == 1);
    CHECK(ended == 3);
}

TEST_CASE("stop_now of one reactor ends the shields of all") {
    test::runtime_fixture on(GENERATE(from_range(test::demultiplexers())), 3);
    auto root = [&](std::size_t i) -> task<> {
        auto shielded = [&]() -> task<> {
            if (i == 0) {
                bight::reactor::current()->stop();
                co_await bight::sleep_for(2ms);
                bight::reactor::current()->stop_now();
            }
            co_await for_an_hour();
        };
        co_await bight::shield(shielded(), 2h);
    };
    CHECK(on.runtime().run(root) == 1);
}

TEST_CASE("a stop that comes before run ends that run, and no later one") {
    test::runtime_fixture on(GENERATE(from_range(test::demultiplexers())), 3);
    std::atomic<int> begun{0};
    std::atomic<bool> first_began{false};
    auto waits = [&](std::size_t i) -> task<> {
        if (i == 0) first_began = true;
        co_await for_an_hour();
    };
    auto root = [&]() -> task<> {
        ++begun;
        co_return;
    };
    const auto all_begin_next = [&] {
        begun = 0;
        CHECK(on.runtime().run(root) == 0);
        CHECK(begun == 3);
    };
    on.runtime().stop();
    CHECK(on.runtime().run(waits) == 1);
    CHECK_FALSE(first_began);
    all_begin_next();
    on.runtime().stop_now();
    CHECK(on.runtime().run(waits) == 1);
    CHECK_FALSE(first_began);
    all_begin_next();
    on.runtime().reactor(1).stop();
    CHECK(on.runtime().run(waits) == 1);
    all_begin_next();
}

TEST_CASE("a stop that comes while a run ends is for that run or for the next") {
    test::runtime_fixture on(GENERATE(from_range(test::demultiplexers())), 3);
    auto root = []() -> task<> { co_return; };
    for (int round = 0; round < 50; ++round) {
        std::thread stops([&] { on.runtime().stop(); });
        int stopped = on.runtime().run(root);
        stops.join();
        stopped += on.runtime().run(root);
        CHECK(stopped <= 1);
        CHECK(on.runtime().run(root) == 0);
    }
}

TEST_CASE("a reactor whose task has ended takes calls until the last has ended") {
    test::runtime_fixture on(GENERATE(from_range(test::demultiplexers())));
    runtime& all = on.runtime();
    std::size_t answered_by = 7;
    auto root = [&](std::size_t i) -> task<> {
        if (i == 1) co_return;
        co_await bight::sleep_for(2ms);
        bight::deferred<std::size_t> answer;
        auto fire = [&](std::size_t who) { answer.set_value(who); };
        all.reactor(1).post([&] {
            const std::size_t who = all.index_here();
            all.reactor(0).post([&fire, who] { fire(who); });
        });
        answered_by = co_await answer;
    };
    CHECK(all.run(root) == 0);
    CHECK(answered_by == 1);
}

TEST_CASE("many calls between all of them arrive, first in, first out") {
    test::runtime_fixture on(GENERATE(from_range(test::demultiplexers())), 3);
    runtime& all = on.runtime();
    constexpr int count = 1000;
    struct shard {
        std::array<int, 3> next{};  // from each of the others
        int missing = 3 * count;
        bool ordered = true;
    };
    std::array<shard, 3> shards;
    auto root = [&](std::size_t me) -> task<> {
        for (int n = 0; n < count; ++n) {
            for (std::size_t to = 0; to < 3; ++to) {
                all.reactor(to).post([&shards, me, to, n] {
                    shard& s = shards[to];
                    s.ordered = s.ordered && s.next[me] == n;
                    s.next[me] = n + 1;
                    --s.missing;
                });
            }
            if (n % 100 == 0) co_await bight::yield();
        }
        while (shards[me].missing > 0) {
            co_await bight::sleep_for(100us);
        }
    };
    CHECK(all.run(root) == 0);
    for (const shard& s : shards) CHECK(s.ordered);
}

TEST_CASE("what is posted while nothing runs waits for the next run") {
    test::runtime_fixture on(GENERATE(from_range(test::demultiplexers())));
    std::atomic<int> called{0};
    for (std::size_t i = 0; i < 2; ++i) on.runtime().reactor(i).post([&] { ++called; });
    auto root = []() -> task<> { co_await bight::yield(); };
    CHECK(called == 0);
    CHECK(on.runtime().run(root) == 0);
    CHECK(called == 2);
}

TEST_CASE("the destructor ends what was started and is left, which may post to the other reactors") {
    std::atomic<int> ended{0};
    std::atomic<int> begun{0};
    {
        test::runtime_fixture on(GENERATE(from_range(test::demultiplexers())), 3);
        runtime& all = on.runtime();
        auto left = [](std::atomic<int>& b, std::atomic<int>& n, runtime& r) -> task<> {
            struct at_end {
                std::atomic<int>& number;
                runtime& others;
                ~at_end() {
                    ++number;
                    for (std::size_t i = 0; i < others.size(); ++i) others.reactor(i).post([] {});
                }
            } const here{n, r};
            ++b;
            co_await for_an_hour();
        };
        auto root = [&]() -> task<> {
            bight::reactor::current()->start(left(begun, ended, all));
            while (begun < 3) co_await bight::sleep_for(100us);
        };
        CHECK(all.run(root) == 0);
        CHECK(begun == 3);
        CHECK(ended == 0);
    }
    CHECK(ended == 3);
}

TEST_CASE("run is refused where a reactor runs, and while it runs") {
    test::runtime_fixture on(test::demultiplexers().front());
    auto nothing = []() -> task<> { co_return; };
    auto refused = [&] {
        try {
            on.runtime().run(nothing);
            return false;
        } catch (const std::logic_error&) {
            return true;
        }
    };
    auto once = [&](std::size_t i) -> task<int> {
        if (i != 0) co_return 0;
        if (!refused()) co_return 1;
        bool elsewhere = false;
        std::thread other([&] { elsewhere = refused(); });
        other.join();
        co_return elsewhere ? 0 : 2;
    };
    const int status = on.runtime().run(once);
    CHECK(status == 0);
}

TEST_CASE("without a number there is one reactor for each processor that may be used") {
    cpu_set_t usable;
    REQUIRE(::sched_getaffinity(0, sizeof usable, &usable) == 0);
    const runtime all;
    CHECK(all.size() == static_cast<std::size_t>(CPU_COUNT(&usable)));
}

TEST_CASE("pinned, each thread keeps to one processor, round and round") {
    cpu_set_t usable;
    REQUIRE(::sched_getaffinity(0, sizeof usable, &usable) == 0);
    const auto processors = static_cast<std::size_t>(CPU_COUNT(&usable));
    bight::runtime_options options;
    options.pin_threads = true;
    test::runtime_fixture on(test::demultiplexers().front(), static_cast<unsigned>(processors + 1), options);
    auto root = []() -> task<int> {
        cpu_set_t mine;
        ::sched_getaffinity(0, sizeof mine, &mine);
        if (CPU_COUNT(&mine) != 1) co_return -1;
        std::size_t number = 0;
        while (!CPU_ISSET(number, &mine)) ++number;
        co_return static_cast<int>(number) + 1000;
    };
    auto numbers = [root]() mutable -> task<long> {
        const int got = co_await root();
        co_return got;
    };
    const auto got = on.runtime().run(numbers);
    std::set<long> different(got.begin(), got.end());
    CHECK_FALSE(different.contains(-1));
    CHECK(different.size() == processors);
    CHECK(got.front() == got.back());
}

TEST_CASE("a runtime in virtual time is refused") {
    bight::virtual_clock time;
    bight::runtime_options options;
    options.reactor.clock = &time;
    CHECK_THROWS_AS(runtime(options), std::invalid_argument);
}

TEST_CASE("a runtime whose options no reactor can have throws, and leaves nothing") {
    const int before = test::open_descriptors();
    bight::runtime_options options;
    options.reactors = 2;
    options.reactor.receive_buffers = 3;  // no power of two
    CHECK_THROWS_AS(runtime(options), std::invalid_argument);
    CHECK(test::open_descriptors() == before);
}

TEST_CASE(
    "a runtime that finds no descriptor for its second reactor throws, and leaves nothing of the first") {
    const int before = test::open_descriptors();
    bight::runtime_options options;
    options.reactor.demultiplexer = GENERATE(from_range(test::demultiplexers()));
    options.reactors = 1;
    int of_one = 0;
    {
        const runtime one(options);
        of_one = test::open_descriptors() - before;
    }
    options.reactors = 2;
    {
        const test::few_descriptors limit(of_one);
        CHECK(of_one > 0);
        CHECK_THROWS_AS(runtime(options), std::system_error);
    }
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("BIGHT_REACTOR=sim:SEED simulates all reactors of a runtime, in virtual time") {
    const test::environment_variable simulated("BIGHT_REACTOR", "sim:1");
    const unsigned count = GENERATE(0U, 1U, 3U);
    bight::runtime_options options;
    options.reactors = count;
    runtime cores(options);
    CHECK(cores.size() == (count == 0 ? 4 : count));  // the processors of a simulated host
    CHECK(cores.reactor(cores.size() - 1).demultiplexer_name() == "simulation");
    const bight::time_point begun = cores.reactor(0).now();
    std::size_t heard = 0;
    const int status = cores.run([&](std::size_t index) -> task<> {
        co_await bight::sleep_for(std::chrono::hours(100));
        cores.reactor((index + 1) % cores.size()).post([&heard] { ++heard; });
    });
    CHECK(status == 0);
    CHECK(heard == cores.size());
    CHECK(cores.reactor(0).now() - begun >= std::chrono::hours(100));
}

TEST_CASE("the seed decides the order of simulated reactors, and the same seed decides the same") {
    const auto order_in = [](std::uint64_t seed) {
        const test::environment_variable simulated("BIGHT_REACTOR", "sim:" + std::to_string(seed));
        bight::runtime_options options;
        options.reactors = 4;
        runtime cores(options);
        std::string order;
        (void)cores.run([&](std::size_t index) -> task<> {
            for (int i = 0; i < 3; ++i) {
                order += std::to_string(index);
                co_await bight::yield();
                co_await bight::sleep_for(1ms);
            }
        });
        return order;
    };
    std::set<std::string> orders;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        orders.insert(order_in(seed));
        CHECK(order_in(seed) == order_in(seed));
    }
    CHECK(orders.size() > 5);
}

TEST_CASE("simulated reactors that can never run again are a deadlock, whose report has the tree of tasks") {
    const test::environment_variable simulated("BIGHT_REACTOR", "sim:1");
    bight::runtime_options options;
    options.reactors = 2;
    runtime cores(options);
    const auto wait_for_ever = [](std::size_t) -> task<> {
        bight::manual_reset_event never;
        co_await never.wait();
    };
    std::string reported;
    bight::set_error_handler([](const bight::error_report& report,
                                void* to) { *static_cast<std::string*>(to) += report.to_string(); },
                             &reported);
    const int status = cores.run(wait_for_ever);
    bight::set_error_handler(nullptr);
    CHECK(status == 1);
    CHECK_THAT(reported, Catch::Contains("deadlock: nothing can ever run again") &&
                             Catch::Contains("host localhost, reactor 2") &&
                             Catch::Contains("waits for an event"));
    CHECK(cores.run([](std::size_t) -> task<> { co_await bight::sleep_for(1h); }) == 0);  // and runs again
}

TEST_CASE("runtimes and reactors of one program live in one simulated world") {
    const test::environment_variable simulated("BIGHT_REACTOR", "sim:1");
    bight::runtime_options options;
    options.reactors = 2;
    auto first = std::make_unique<runtime>(options);
    runtime second(options);
    CHECK(first->run([](std::size_t) -> task<> { co_await bight::sleep_for(1h); }) == 0);
    CHECK(second.reactor(0).now() - first->reactor(0).now() == 0s);
    first.reset();
    CHECK(second.run([](std::size_t) -> task<> { co_await bight::sleep_for(1h); }) == 0);
    CHECK(bight::run([]() -> task<> { co_await bight::sleep_for(1h); }()) == 0);
}
