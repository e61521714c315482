// In the steady state, what tasks do most allocates nothing.
#include "support/allocations.hpp"
#include "support/reactors.hpp"
#include "support/sleep_long.hpp"

#include <bight/bight.hpp>

#include <chrono>
#include <thread>

using bight::task;
using test::sleep_long;
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
bight::generator<int> count_to(int last) {
    for (int i = 0; i < last; ++i) co_yield i;
}
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
        co_await bight::with_group([&](bight::group& g) -> task<> {
            for (int i = 0; i < many; ++i) {
                g.spawn(count(counter));
                g.spawn(sleep_long());
            }
            co_await bight::yield();
            g.cancel();
        });
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

TEST_CASE("barriers, latches, conditions and shared locks allocate nothing, waited for or not") {
    bight::mutex lock;
    bight::condition changed;
    bight::shared_mutex shared;
    bight::auto_reset_event turn(true);
    int waiting = 0;
    auto loop = [&]() -> task<> {
        bight::barrier phase(2);
        bight::latch both(2);
        auto meet = [&]() -> task<> {
            for (int i = 0; i < many; ++i) {
                co_await phase.arrive_and_wait();
                {
                    auto held = co_await lock.lock();
                    if (++waiting == 1) {
                        co_await changed.wait(held);
                    } else {
                        waiting = 0;
                        changed.notify_one();
                    }
                }
                co_await turn.wait();
                turn.set();
                {
                    const auto reads = co_await shared.lock_shared();
                    co_await bight::yield();
                }
                const auto writes = co_await shared.lock();
                co_await bight::yield();
            }
            co_await both.arrive_and_wait();
        };
        co_await bight::when_all(meet(), meet());
    };
    CHECK(allocations_of(loop) == 0);
}

TEST_CASE("values for many, the latest value, and those in order of priority allocate nothing in the end") {
    bight::broadcast_channel<int> news(8);
    auto reader = news.subscribe();
    bight::watch<int> latest(0);
    auto follower = latest.subscribe();
    bight::priority_queue<int> jobs;
    auto loop = [&]() -> task<> {
        for (int i = 0; i < many; ++i) co_await jobs.push(i);
        for (int i = 0; i < many; ++i) {
            news.send(i);
            const auto heard = co_await reader.receive();
            latest.set(i + 1);
            const int* const seen = co_await follower.changed();
            const auto job = co_await jobs.pop();
            if (*heard != i || *seen != i + 1 || *job != many - 1 - i) co_await sleep_long();
        }
    };
    CHECK(allocations_of(loop) == 0);
}

TEST_CASE("the items of a generator allocate nothing") {
    auto loop = []() -> task<> {
        auto numbers = count_to(many);
        for (int i = 0; i < many; ++i) co_await numbers.next();
    };
    CHECK(allocations_of(loop) == 0);
}

TEST_CASE("a call of block_on allocates nothing but the frame of its task") {
    bight::reactor r;
    long of_function = -1;
    long of_task = -1;
    std::thread caller;
    auto root = [&]() -> task<> {
        bight::manual_reset_event answered;
        caller = std::thread([&] {
            auto function = [] { return 1; };
            auto begin = []() -> task<int> { return add_one(0); };
            for (int i = 0; i < 2; ++i) {
                long before = test::allocations();
                bight::block_on(r, function);
                of_function = test::allocations() - before;
                before = test::allocations();
                bight::block_on(r, begin);
                of_task = test::allocations() - before;
            }
            r.post([&] { answered.set(); });
        });
        co_await answered.wait();
    };
    r.run(root());
    caller.join();
    CHECK(of_function == 0);
    CHECK(of_task == 0);  // its frame is one that the reactor has kept
}
