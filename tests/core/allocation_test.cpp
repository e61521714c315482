// In the steady state, what tasks do most allocates nothing.
#include "support/allocations.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <chrono>

using bight::task;
using namespace std::chrono_literals;

namespace {

constexpr int many = 100;

// Runs `loop` until the pools are filled, and gives the allocations of one more time.
template <class F>
long allocations_of(F loop) {
    bight::reactor r;
    auto root = [&]() -> task<long> {
        co_await loop();
        co_await loop();
        const long before = test::allocations();
        co_await loop();
        co_return test::allocations() - before;
    };
    return r.run(root());
}

task<int> add_one(int to) { co_return to + 1; }
task<> sleep_long() { co_await bight::sleep_for(1h); }
task<> count(int& counter) {
    ++counter;
    co_return;
}

}  // namespace

TEST_CASE("calling a task, yielding and sleeping allocate nothing") {
    auto loop = []() -> task<> {
        int sum = 0;
        for (int i = 0; i < many; ++i) {
            sum = co_await add_one(sum);
            co_await bight::yield();
        }
        co_await bight::sleep_for(1ns);
    };
    CHECK(allocations_of(loop) == 0);
}

TEST_CASE("spawning, joining and cancelling tasks allocate nothing") {
    auto loop = []() -> task<> {
        int counter = 0;
        auto body = [&](bight::group& g) -> task<> {
            for (int i = 0; i < many; ++i) {
                g.spawn(count(counter));
                g.spawn(sleep_long());
            }
            co_await bight::yield();
            g.cancel();
        };
        co_await bight::with_group(body);
    };
    CHECK(allocations_of(loop) == 0);
}

TEST_CASE("time-outs, when_all and when_any of tasks allocate nothing") {
    auto loop = []() -> task<> {
        for (int i = 0; i < many; ++i) {
            const int one = co_await bight::with_timeout(add_one(0), 1h);
            co_await bight::when_all(add_one(one), add_one(one));
            const auto any = co_await bight::when_any(add_one(one), sleep_long());
            (void)any;
        }
    };
    CHECK(allocations_of(loop) == 0);
}

TEST_CASE("messages through a channel allocate nothing once it has its buffer") {
    bight::channel<int> numbers(8);
    bight::channel<int> direct(0);
    auto loop = [&]() -> task<> {
        auto produce = [&]() -> task<> {
            for (int i = 0; i < many; ++i) {
                co_await numbers.send(i);
                co_await direct.send(i);
            }
        };
        auto consume = [&]() -> task<> {
            for (int i = 0; i < many; ++i) {
                const auto first = co_await numbers.receive();
                const auto second = co_await direct.receive();
                if (first != second) co_return;
            }
        };
        co_await bight::when_all(produce(), consume());
    };
    CHECK(allocations_of(loop) == 0);
}

TEST_CASE("locks, semaphores and events allocate nothing, waited for or not") {
    bight::mutex lock;
    bight::semaphore permits(1);
    auto loop = [&]() -> task<> {
        bight::manual_reset_event done;
        auto contend = [&]() -> task<> {
            for (int i = 0; i < many; ++i) {
                const auto held = co_await lock.lock();
                const auto permit = co_await permits.scoped_acquire();
                co_await bight::yield();
            }
            done.set();
            co_await done.wait();
        };
        co_await bight::when_all(contend(), contend());
    };
    CHECK(allocations_of(loop) == 0);
}
