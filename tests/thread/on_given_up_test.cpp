// Calls on another reactor whose task is cancelled before they begin: they never do, whatever that reactor
// does.
#include <bight/thread/on.hpp>

#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/now.hpp>
#include <bight/core/run.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/sim/world.hpp>
#include <bight/thread/runtime.hpp>

#include "witness.hpp"

#include "support/cancellable.hpp"
#include "support/reactors.hpp"
#include "support/runtimes.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using bight::task;
using test::witness;
using namespace std::chrono_literals;
namespace sim = bight::sim;

namespace {

bight::reactor_options on_kind(bight::demultiplexer_kind kind) {
    bight::reactor_options options;
    options.demultiplexer = kind;
    return options;
}

task<> nothing() { co_return; }

}  // namespace

TEST_CASE("a time-out ends a call to a reactor that does not run, and the call never begins") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        for (const bool runs_later : {true, false}) {
            auto there = std::make_unique<bight::reactor>(on_kind(kind));
            bool begun = false;
            std::thread::id died_on;
            const bool done = co_await bight::try_with_timeout(
                bight::on(*there, [&](const witness&) { begun = true; }, witness(died_on)), 1ms);
            CHECK_FALSE(done);
            CHECK(died_on == std::this_thread::get_id());
            if (runs_later) {
                std::thread([&] { there->run(nothing()); }).join();
            }
            there.reset();
            CHECK_FALSE(begun);
        }
    });
}

TEST_CASE("a call to a reactor that is busy is given up at once") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::runtime_fixture on(kind);
    bight::runtime& cores = on.runtime();
    const int status = cores.run([&](std::size_t index) -> task<> {
        if (index > 0) co_return;
        bight::reactor& there = cores.reactor(1);
        std::promise<void> go_on;
        std::atomic<bool> holds{false};
        there.post([&holds, held = go_on.get_future().share()] {
            holds = true;
            held.wait_for(20s);  // only so that a failure is no hang
            holds = false;
        });
        while (!holds) co_await bight::yield();
        bool begun = false;
        const bool done = co_await bight::try_with_timeout(bight::on(there, [&] { begun = true; }), 1ms);
        CHECK_FALSE(done);
        CHECK(holds);
        go_on.set_value();
        co_await bight::on(there, [&] { CHECK_FALSE(begun); });  // behind the one that was given up
    });
    CHECK(status == 0);
}

TEST_CASE("calls that are given up while the other reactor is destroyed end once, and leave nothing behind") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        int given_up = 0;
        int closed = 0;
        for (int round = 0; round < 100; ++round) {
            auto there = std::make_unique<bight::reactor>(on_kind(kind));
            std::vector<std::unique_ptr<test::cancellable>> calls;
            auto calling = [&]() -> task<> {
                try {
                    co_await bight::on(*there, [] { FAIL("it began on a reactor that did not run"); });
                } catch (const std::system_error& e) {
                    if (e.code() == bight::errc::closed) ++closed;
                }
            };
            std::thread destroys;
            co_await bight::with_group([&](bight::group& g) -> task<> {
                for (int i = 0; i < 8; ++i) {
                    calls.push_back(std::make_unique<test::cancellable>());
                    g.spawn(calls.back()->run(calling()));
                }
                co_await bight::yield();
                co_await bight::yield();
                destroys = std::thread([&] { there.reset(); });
                for (int i = 0; i < round % 20; ++i) std::this_thread::yield();
                for (auto& one : calls) one->cancel();
            });
            destroys.join();
            for (const auto& one : calls) given_up += one->ended() ? 0 : 1;
        }
        CHECK(given_up + closed == 800);
    });
}

TEST_CASE("a call begins or is given up, never both, at whatever moment it is cancelled") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::runtime_fixture on(kind);
    bight::runtime& cores = on.runtime();
    const int status = cores.run([&](std::size_t index) -> task<> {
        if (index > 0) co_return;
        bight::reactor& there = cores.reactor(1);
        constexpr std::size_t many = 2000;
        const auto begun = std::make_unique<std::atomic<bool>[]>(many);
        std::vector<bool> begun_by_its_end(many);
        for (std::size_t n = 0; n < many; ++n) {
            test::cancellable one;
            auto begins = [&begun, n] { begun[n] = true; };
            auto calls = [&]() -> task<> { co_await bight::on(there, begins); };
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn(one.run(calls()));
                co_await bight::yield();
                for (std::size_t i = 0; i < n % 50; ++i) std::this_thread::yield();
                one.cancel();
            });
            begun_by_its_end[n] = begun[n];
            if (one.ended()) CHECK(begun[n]);
        }
        co_await bight::on(there, [] {});
        for (std::size_t n = 0; n < many; ++n) {
            if (begun[n] != begun_by_its_end[n]) FAIL("call " << n << " began after it was given up");
        }
    });
    CHECK(status == 0);
}

TEST_CASE("a stop of the program ends a call to a reactor that does not run") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    bight::reactor there(on_kind(kind));
    bight::reactor here(on_kind(kind));
    auto calls = [&]() -> task<> { co_await bight::on(there, [] {}); };
    auto root = [&]() -> task<> {
        here.stop();
        co_await calls();
    };
    CHECK_THROWS_AS(here.run(root()), bight::run_cancelled);
}

TEST_CASE("in a simulated host, a time-out ends a call to a reactor that does not run") {
    sim::world w(1);
    w.add("host").run([] {
        bight::reactor there;
        bight::reactor here;
        here.run([](bight::reactor& other) -> task<> {
            const auto begun = bight::now();
            const bool done = co_await bight::try_with_timeout(bight::on(other, [] {}), 5s);
            CHECK_FALSE(done);
            CHECK(bight::now() - begun == 5s);
        }(there));
        return 0;
    });
    w.run();
}

TEST_CASE("in a simulated host, a call begins or is given up, as the seed decides") {
    int given_up = 0;
    int done = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        sim::world w(seed);
        w.add("host").run([&] {
            bight::runtime_options options;
            options.reactors = 2;
            bight::runtime cores(options);
            return cores.run([&](std::size_t index) -> task<> {
                if (index > 0) co_return;
                bool begun = false;
                test::cancellable one;
                auto calls = [&]() -> task<> { co_await bight::on(cores.reactor(1), [&] { begun = true; }); };
                co_await bight::with_group([&](bight::group& g) -> task<> {
                    g.spawn(one.run(calls()));
                    co_await test::turns(2);
                    one.cancel();
                });
                const bool begun_by_its_end = begun;
                CHECK(begun == one.ended());
                co_await bight::on(cores.reactor(1), [] {});
                CHECK(begun == begun_by_its_end);
                ++(begun ? done : given_up);
            });
        });
        w.run();
    }
    CHECK(given_up > 0);
    CHECK(done > 0);
}
