// What the runtime costs without a kernel: nanoseconds for each step, the median of several rounds, and the
// lowest and highest of them in parentheses. usage: tasks [ROUNDS]          5 to 100, 7 unless told otherwise
#include "bench.hpp"

#include <bight/bight.hpp>

#include <memory>

namespace {

constexpr int calls = 2'000'000;
constexpr int yields = 500'000;
constexpr int spawns = 200'000;
constexpr int spawned_at_once = 1000;
constexpr int pending_timers = 1'000'000;
constexpr int cancelled = 100'000;

class stopwatch {
  public:
    double ns_each(int steps) const {
        return std::chrono::duration<double, std::nano>(bench::clock::now() - from_).count() / steps;
    }

  private:
    bench::clock::time_point from_ = bench::clock::now();
};

bight::task<int> add_one(int to) { co_return to + 1; }

bight::task<double> call_and_return() {
    const stopwatch watch;
    int sum = 0;
    for (int i = 0; i < calls; ++i) sum = co_await add_one(sum);
    if (sum != calls) std::abort();
    co_return watch.ns_each(calls);
}

bight::task<double> yield_to_the_queue() {
    const stopwatch watch;
    for (int i = 0; i < yields; ++i) co_await bight::yield();
    co_return watch.ns_each(yields);
}

bight::task<> count(int& counter) {
    ++counter;
    co_return;
}

bight::task<double> spawn_and_join() {
    const stopwatch watch;
    int counter = 0;
    for (int i = 0; i < spawns; i += spawned_at_once) {
        auto body = [&](bight::group& g) -> bight::task<> {
            for (int j = 0; j < spawned_at_once; ++j) g.spawn(count(counter));
            co_return;
        };
        co_await bight::with_group(body);
    }
    if (counter != spawns) std::abort();
    co_return watch.ns_each(spawns);
}

class silent_timer final : public bight::detail::timer {
    void expired() noexcept override {}
};

// Deadlines in no order, a thousand different ones, none of which comes.
bight::time_point some_deadline(bight::time_point now, int i) {
    return now + std::chrono::seconds(1000 + (i * 7919) % 1000);
}

// One timer at a time, on top of a million that stay.
bight::task<double> arm_and_disarm() {
    bight::reactor& here = *bight::reactor::current();
    const auto now = here.now();
    const auto pending = std::make_unique<silent_timer[]>(pending_timers);
    for (int i = 0; i < pending_timers; ++i)
        here.arm(pending[static_cast<std::size_t>(i)], some_deadline(now, i));
    silent_timer one;
    const stopwatch watch;
    for (int i = 0; i < pending_timers; ++i) {
        here.arm(one, some_deadline(now, i));
        here.disarm(one);
    }
    const double each = watch.ns_each(pending_timers);
    for (int i = 0; i < pending_timers; ++i) here.disarm(pending[static_cast<std::size_t>(i)]);
    co_return each;
}

// A million are armed, and then disarmed in the order of arming.
bight::task<double> arm_all_disarm_all() {
    bight::reactor& here = *bight::reactor::current();
    const auto now = here.now();
    const auto timers = std::make_unique<silent_timer[]>(pending_timers);
    const stopwatch watch;
    for (int i = 0; i < pending_timers; ++i)
        here.arm(timers[static_cast<std::size_t>(i)], some_deadline(now, i));
    for (int i = 0; i < pending_timers; ++i) here.disarm(timers[static_cast<std::size_t>(i)]);
    co_return watch.ns_each(pending_timers);
}

bight::task<> sleep_long() { co_await bight::sleep_for(std::chrono::hours(1)); }

// From the request until the task has unwound and its group has forgotten it.
bight::task<double> cancel_and_unwind() {
    stopwatch watch;
    auto body = [&](bight::group& g) -> bight::task<> {
        for (int i = 0; i < cancelled; ++i) g.spawn(sleep_long());
        co_await bight::yield();  // they have begun, and sleep
        watch = stopwatch();
        g.cancel();
    };
    co_await bight::with_group(body);
    co_return watch.ns_each(cancelled);
}

void measure(const char* name, bight::task<double> (*subject)(), unsigned rounds) {
    std::vector<double> results;
    bight::reactor r;
    for (unsigned i = 0; i < rounds; ++i) results.push_back(r.run(subject()));
    const auto [lowest, highest] = std::minmax_element(results.begin(), results.end());
    std::printf("%-44s %8.1f ns  (%.1f to %.1f)\n", name, bench::median(results), *lowest, *highest);
    std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(300);
    const unsigned rounds = std::max(5U, bench::number(count, arguments, 1, 7, 100));
    measure("call of a task and return", call_and_return, rounds);
    measure("yield to the ready queue", yield_to_the_queue, rounds);
    measure("spawn in a group and join", spawn_and_join, rounds);
    measure("timer: arm and disarm, 1M pending", arm_and_disarm, rounds);
    measure("timer: arm 1M, then disarm them all; each", arm_all_disarm_all, rounds);
    measure("cancel and unwind one of 100k sleeping tasks", cancel_and_unwind, rounds);
}
