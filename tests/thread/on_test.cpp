// Calls on another reactor: results, errors, cancellation, and on which thread things are destroyed.
#include <bight/thread/on.hpp>

#include <bight/core/deferred.hpp>
#include <bight/core/error.hpp>
#include <bight/core/group.hpp>
#include <bight/core/now.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/sim/world.hpp>
#include <bight/thread/runtime.hpp>

#include "witness.hpp"

#include "support/cancellable.hpp"
#include "support/error_of.hpp"
#include "support/reactors.hpp"
#include "support/runtimes.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using bight::task;
using test::witness;
using namespace std::chrono_literals;
namespace sim = bight::sim;

namespace {

task<int> a_turn_later(int n) {
    co_await bight::yield();
    co_return n;
}

// Runs `body(other reactor, its thread)` as the task of the first of two reactors, on each demultiplexer.
template <class F>
void between_two(F body) {
    test::runtime_fixture on(GENERATE(from_range(test::demultiplexers())));
    bight::runtime& cores = on.runtime();
    const int status = cores.run([&](std::size_t index) -> task<> {
        if (index > 0) co_return;
        bight::reactor& there = cores.reactor(1);
        const auto thread = co_await bight::on(there, [] { return std::this_thread::get_id(); });
        CHECK(thread != std::this_thread::get_id());
        co_await body(there, thread);
    });
    CHECK(status == 0);
}

// A reactor on a thread of its own, which runs until it is told to end.
class other_reactor {
  public:
    explicit other_reactor(bight::demultiplexer_kind kind) {
        std::promise<bight::reactor*> made;
        thread_ = std::thread([this, kind, &made] {
            bight::reactor_options options;
            options.demultiplexer = kind;
            bight::reactor r(options);
            bight::deferred<> end;
            end_ = &end;
            auto waits = [](bight::deferred<>& until) -> task<> { co_await until; };
            r.post([&] { made.set_value(&r); });
            r.run(waits(end));
            ended_.set_value();
            may_go_.get_future().wait();
        });
        reactor_ = made.get_future().get();
    }
    ~other_reactor() {
        end_run();
        destroy();
    }
    bight::reactor& reactor() { return *reactor_; }
    /// Its run ends, and it stays.
    void end_run() {
        if (std::exchange(end_asked_, true)) return;
        reactor_->post([this] { end_->set_value(); });
    }
    void wait_for_end_of_run() { ended_.get_future().wait(); }
    void destroy() {
        if (!thread_.joinable()) return;
        may_go_.set_value();
        thread_.join();
    }

  private:
    bight::reactor* reactor_ = nullptr;
    bight::deferred<>* end_ = nullptr;
    bool end_asked_ = false;
    std::promise<void> ended_;
    std::promise<void> may_go_;
    std::thread thread_;
};

}  // namespace

TEST_CASE("on gives the value of a task and of a function of another reactor, or throws its error") {
    between_two([](bight::reactor& there, std::thread::id thread) -> task<> {
        const auto here = std::this_thread::get_id();
        const int sum = co_await bight::on(
            there,
            [](int a, int b) -> task<int> {
                const int first = co_await a_turn_later(a);
                co_return first + b;
            },
            3, 4);
        CHECK(sum == 7);
        const auto moved =
            co_await bight::on(there, [](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(5));
        CHECK(*moved == 5);
        int object = 0;
        int& reference = co_await bight::on(there, [&]() -> int& { return object; });
        CHECK(&reference == &object);
        co_await bight::on(there, [&]() -> task<> {
            CHECK(std::this_thread::get_id() == thread);
            CHECK(bight::reactor::current() == &there);
            co_await bight::yield();
            CHECK(std::this_thread::get_id() == thread);
        });
        CHECK(std::this_thread::get_id() == here);

        for (const bool at_once : {false, true}) {
            std::string said;
            try {
                auto throws = [at_once]() -> task<int> {
                    if (!at_once) co_await bight::yield();
                    throw std::runtime_error("over there");
                };
                co_await bight::on(there, throws);
            } catch (const std::runtime_error& e) {
                said = e.what();
            }
            CHECK(said == "over there");
        }
        std::string thrown;
        try {
            co_await bight::on(there, [] { throw std::runtime_error("by a function"); });
        } catch (const std::runtime_error& e) {
            thrown = e.what();
        }
        CHECK(thrown == "by a function");
    });
}

TEST_CASE("what a call is given is destroyed on the other thread, before the result comes") {
    between_two([](bight::reactor& there, std::thread::id thread) -> task<> {
        std::thread::id argument;
        std::thread::id capture;
        std::thread::id local;
        auto makes = [w = witness(capture), &local](witness) -> task<> {
            const witness in_frame(local);
            co_await bight::yield();
        };
        co_await bight::on(there, std::move(makes), witness(argument));
        CHECK(argument == thread);
        CHECK(capture == thread);
        CHECK(local == thread);
        argument = capture = {};
        auto plain = [w = witness(capture)](const witness&) {};
        co_await bight::on(there, std::move(plain), witness(argument));
        CHECK(argument == thread);
        CHECK(capture == thread);

        // The result comes here, and goes here.
        std::thread::id result;
        {
            const witness taken = co_await bight::on(there, [&result]() -> task<witness> {
                co_await bight::yield();
                co_return witness(result);
            });
            CHECK(result == std::thread::id());
        }
        CHECK(result == std::this_thread::get_id());
    });
}

TEST_CASE("a task that is cancelled in a call cancels the other one, and waits for its end") {
    between_two([](bight::reactor& there, std::thread::id thread) -> task<> {
        std::thread::id argument;
        std::atomic<bool> waiting{false};
        std::atomic<bool> cleaned{false};
        auto waits = [&](witness) -> task<> {
            struct cleaner {
                std::atomic<bool>& done;
                ~cleaner() { done = true; }
            };
            const cleaner last{cleaned};
            waiting = true;
            co_await bight::shield(bight::sleep_for(20ms), 1h);
            co_await bight::sleep_for(1h);
        };
        test::cancellable long_one;
        auto calls_long = [&]() -> task<> { co_await bight::on(there, waits, witness(argument)); };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(long_one.run(calls_long()));
            while (!waiting) co_await bight::yield();
            long_one.cancel();
        });
        CHECK_FALSE(long_one.ended());
        CHECK(cleaned);
        CHECK(argument == thread);

        // One that was there at the same time wins, and one that ends meanwhile is delivered.
        auto ends_anyhow = []() -> task<int> { co_return co_await bight::shield(a_turn_later(9), 1h); };
        test::cancellable one;
        int got = 0;
        auto calls = [&]() -> task<> { got = co_await bight::on(there, ends_anyhow); };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(one.run(calls()));
            co_await test::turns(3);
            one.cancel();
        });
        CHECK((got == 9 || got == 0));
        // Cancelled before it begins: it never does.
        std::atomic<int> begun{0};
        auto counts = [&]() -> task<> {
            ++begun;
            co_return;
        };
        std::promise<void> go_on;
        there.post([held = go_on.get_future().share()] { held.wait(); });
        test::cancellable early;
        auto calls_late = [&]() -> task<> { co_await bight::on(there, counts); };
        co_await bight::with_group([&](bight::group& g) -> task<> {
            g.spawn(early.run(calls_late()));
            co_await test::turns(3);
            early.cancel();
            go_on.set_value();
        });
        CHECK_FALSE(early.ended());
        CHECK(begun == 0);
    });
}

TEST_CASE("calls go both ways, within each other, and to the reactor itself") {
    between_two([](bight::reactor& there, std::thread::id) -> task<> {
        bight::reactor& here = *bight::reactor::current();
        const auto mine = std::this_thread::get_id();
        const int n = co_await bight::on(there, [&]() -> task<int> {
            const bool back = co_await bight::on(here, [&] { return std::this_thread::get_id() == mine; });
            co_return back ? 1 : 0;
        });
        CHECK(n == 1);
        const int own = co_await bight::on(here, a_turn_later, 5);
        CHECK(own == 5);
        const bool done = co_await bight::try_with_timeout(
            bight::on(here, []() -> task<> { co_await bight::sleep_for(1h); }), 1ms);
        CHECK_FALSE(done);
    });
}

TEST_CASE("the end of the other reactor's run cancels a call, and a later one does not begin") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        other_reactor other(kind);
        std::thread::id died_on;
        auto sleeps = [&](witness) -> task<> {
            other.end_run();
            co_await bight::sleep_for(1h);
        };
        const auto cut = co_await test::error_of(bight::on(other.reactor(), sleeps, witness(died_on)));
        CHECK(cut == std::errc::operation_canceled);
        CHECK(died_on != std::this_thread::get_id());
        other.wait_for_end_of_run();
        bool begun = false;
        died_on = {};
        const auto closed = co_await test::error_of(
            bight::on(other.reactor(), [&](const witness&) { begun = true; }, witness(died_on)));
        CHECK(closed == bight::errc::closed);
        CHECK_FALSE(begun);
        CHECK(died_on == std::this_thread::get_id());
    });
}

TEST_CASE("a call waits for the first run of the other reactor, and ends when that is destroyed before") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        bight::reactor_options options;
        options.demultiplexer = kind;
        for (const bool runs : {true, false}) {
            auto there = std::make_unique<bight::reactor>(options);
            std::thread::id died_on;
            std::thread thread;
            auto begins = [&]() -> task<> {
                co_await bight::yield();  // the call has been sent by then
                thread = std::thread([&] {
                    if (runs) there->run(a_turn_later(1));
                    there.reset();
                });
            };
            std::error_code code;
            auto calls = [&]() -> task<> {
                code = co_await test::error_of(bight::on(*there, [](const witness&) {}, witness(died_on)));
            };
            co_await bight::when_all(calls(), begins());
            thread.join();
            CHECK(code == (runs ? std::error_code() : bight::make_error_code(bight::errc::closed)));
            CHECK((died_on == std::this_thread::get_id()) == !runs);
        }
    });
}

// The call is in the inbox of a reactor that goes without running, and so is its cancellation, or it comes
// at the same moment.
TEST_CASE("a cancellation that meets the destruction of the other reactor ends the call once") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        bight::reactor_options options;
        options.demultiplexer = kind;
        for (int i = 0; i < 300; ++i) {
            auto there = std::make_unique<bight::reactor>(options);
            bight::reactor& called = *there;
            std::thread::id died_on;
            std::error_code code;
            test::cancellable call;
            auto calls = [&]() -> task<> {
                code = co_await test::error_of(bight::on(called, [](const witness&) {}, witness(died_on)));
            };
            std::atomic<bool> go = false;
            std::thread destroys([&] {
                while (!go) std::this_thread::yield();
                there.reset();
            });
            co_await bight::with_group([&](bight::group& g) -> task<> {
                g.spawn(call.run(calls()));
                co_await bight::yield();
                co_await bight::yield();
                if (i % 3 == 0) call.cancel();
                go = true;
                if (i % 3 == 1) call.cancel();
                if (i % 3 == 2) {
                    co_await bight::yield();
                    call.cancel();
                }
            });
            destroys.join();
            CHECK((!call.ended() || code == bight::errc::closed));
            CHECK(died_on == std::this_thread::get_id());
        }
    });
}

TEST_CASE("a virtual clock stands still while its task waits for another reactor") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::virtual_fixture on(kind);
    on.run([&]() -> task<> {
        other_reactor other(kind);
        const bool done =
            co_await bight::try_with_timeout(bight::on(other.reactor(),
                                                       []() -> task<> {
                                                           co_await bight::sleep_for(5ms);  // of real time
                                                       }),
                                             1s);
        CHECK(done);
        CHECK(on.elapsed() == 0s);
    });
}

TEST_CASE("the tree of tasks shows both sides of a call") {
    between_two([](bight::reactor& there, std::thread::id) -> task<> {
        std::string callee;
        std::string caller;
        auto looks = [&](bight::reactor& from) -> task<> {
            callee = bight::reactor::current()->dump_tasks();
            co_await bight::on(from, [&] { caller = bight::reactor::current()->dump_tasks(); });
        };
        co_await bight::on(there, looks, std::ref(*bight::reactor::current()));
        CHECK_THAT(callee, Catch::Contains("a call by bight::on in ") && Catch::Contains("on_test.cpp:"));
        CHECK_THAT(caller, Catch::Contains("a call on another reactor"));
    });
}

TEST_CASE("many calls between all reactors of a runtime, cancelled at any time, leave nothing behind") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::runtime_fixture on(kind, 3);
    bight::runtime& cores = on.runtime();
    std::atomic<int> living{0};
    std::atomic<int> answered{0};
    struct counted {
        std::atomic<int>& count;
        explicit counted(std::atomic<int>& c) : count(c) { ++count; }
        counted(counted&& other) noexcept : count(other.count) { ++count; }
        ~counted() { --count; }
    };
    const int status = cores.run([&](std::size_t index) -> task<> {
        auto callee = [](counted mine, int n) -> task<counted> {
            for (int i = 0; i < n; ++i) co_await bight::yield();
            co_return std::move(mine);
        };
        auto caller = [&](std::size_t to, int n) -> task<> {
            const auto got =
                co_await bight::try_with_timeout(bight::on(cores.reactor(to), callee, counted(living), n % 7),
                                                 std::chrono::microseconds(n * 3));
            if (got) ++answered;
        };
        for (int round = 0; round < 20; ++round) {
            co_await bight::with_group([&](bight::group& g) {
                for (int n = 0; n < 30; ++n) {
                    g.spawn(caller, (index + static_cast<std::size_t>(n) % 3) % 3, n * 10);
                }
            });
        }
    });
    CHECK(status == 0);
    CHECK(living == 0);
    CHECK(answered > 0);
}

TEST_CASE("a runtime that stops in the middle of calls ends them all") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    test::runtime_fixture on(kind, 2);
    bight::runtime& cores = on.runtime();
    const int status = cores.run([&](std::size_t index) -> task<> {
        auto sleeps = []() -> task<> { co_await bight::sleep_for(1h); };
        if (index == 1) {
            co_await bight::on(cores.reactor(0), [&] { cores.stop(); });
            co_await bight::on(cores.reactor(0), sleeps);
        }
        co_await bight::on(cores.reactor(1), sleeps);
    });
    CHECK(status == 1);
    on.take_errors();  // operation_canceled, of whichever was called by the other
}

TEST_CASE("on works between the reactors of a simulated host") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        sim::world w(seed);
        int sum = 0;
        w.add("host").run([&] {
            bight::runtime_options options;
            options.reactors = 3;
            bight::runtime cores(options);
            return cores.run([&](std::size_t index) -> task<> {
                if (index > 0) co_return;
                auto here = [&](std::size_t expected) -> task<int> {
                    co_await bight::sleep_for(1ms);
                    CHECK(cores.index_here() == expected);
                    co_return static_cast<int>(expected);
                };
                auto [one, two] = co_await bight::when_all(bight::on(cores.reactor(1), here, std::size_t{1}),
                                                           bight::on(cores.reactor(2), here, std::size_t{2}));
                sum = one + two;
                CHECK(cores.index_here() == 0);
                const auto begun = bight::now();
                bool ended = false;
                auto long_one = [&]() -> task<> {
                    struct mark {
                        bool& set;
                        ~mark() { set = true; }
                    };
                    const mark at_the_end{ended};
                    co_await bight::sleep_for(1h);
                };
                const bool done = co_await bight::try_with_timeout(bight::on(cores.reactor(1), long_one), 5s);
                CHECK_FALSE(done);
                CHECK(ended);
                CHECK(bight::now() - begun < 6s);
            });
        });
        w.run();
        CHECK(sum == 3);
    }
}
