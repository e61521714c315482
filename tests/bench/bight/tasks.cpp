// What the runtime costs without a kernel: a line for each figure, with its name, the median of several
// rounds in nanoseconds, and the lowest and highest of them. No step may allocate memory once the first round
// has run; one that does ends the program. usage: tasks [ROUNDS]          1 to 100, 7 unless told otherwise
#include "../../support/allocations.hpp"
#include "bench.hpp"

#include <bight/bight.hpp>

#include <memory>
#include <optional>

namespace {

constexpr int calls = 2'000'000;
constexpr int yields = 500'000;
constexpr int spawns = 200'000;
constexpr int spawned_at_once = 1000;
constexpr int pending_timers = 1'000'000;
constexpr int cancelled = 20'000;
constexpr int messages = 500'000;
constexpr int locks = 2'000'000;
constexpr int parked = 100'000;

class stopwatch {
  public:
    double ns_each(int steps) const {
        return std::chrono::duration<double, std::nano>(bench::clock::now() - from_).count() / steps;
    }
    long allocations() const { return test::allocations() - allocations_; }

  private:
    long allocations_ = test::allocations();
    bench::clock::time_point from_ = bench::clock::now();
};

struct measured {
    double ns = 0;
    long allocations = 0;

    measured(const stopwatch& watch, int steps)
        : ns(watch.ns_each(steps)), allocations(watch.allocations()) {}
};

bight::task<int> add_one(int to) { co_return to + 1; }

bight::task<measured> call_and_return() {
    const stopwatch watch;
    int sum = 0;
    for (int i = 0; i < calls; ++i) sum = co_await add_one(sum);
    if (sum != calls) std::abort();
    co_return measured(watch, calls);
}

bight::task<measured> yield_to_the_queue() {
    const stopwatch watch;
    for (int i = 0; i < yields; ++i) co_await bight::yield();
    co_return measured(watch, yields);
}

bight::task<> count(int& counter) {
    ++counter;
    co_return;
}

bight::task<measured> spawn_and_join() {
    const stopwatch watch;
    int counter = 0;
    for (int i = 0; i < spawns; i += spawned_at_once) {
        co_await bight::with_group([&](bight::group& g) {
            for (int j = 0; j < spawned_at_once; ++j) g.spawn(count(counter));
        });
    }
    if (counter != spawns) std::abort();
    co_return measured(watch, spawns);
}

class silent_timer final : public bight::detail::timer {
    void expired() noexcept override {}
};

// Deadlines in no order, a thousand different ones, none of which comes.
bight::time_point some_deadline(bight::time_point now, int i) {
    return now + std::chrono::seconds(1000 + (i % 1000) * 919 % 1000);
}

// A million timers, of which the functions below take some.
class timers {
  public:
    void arm(bight::detail::timer& one, int i) {
        bight::detail::reactor_access::arm(here_, one, some_deadline(now_, i));
    }
    void disarm(bight::detail::timer& one) { bight::detail::reactor_access::disarm(here_, one); }
    void arm_all() {
        for (int i = 0; i < pending_timers; ++i) arm(all_[static_cast<std::size_t>(i)], i);
    }
    void disarm_all() {
        for (int i = 0; i < pending_timers; ++i) disarm(all_[static_cast<std::size_t>(i)]);
    }

  private:
    bight::reactor& here_ = *bight::reactor::current();
    const bight::time_point now_ = here_.now();
    const std::unique_ptr<silent_timer[]> all_ = std::make_unique<silent_timer[]>(pending_timers);
};

// One timer at a time, on top of a million that stay.
bight::task<measured> arm_and_disarm() {
    timers pending;
    pending.arm_all();
    silent_timer one;
    const stopwatch watch;
    for (int i = 0; i < pending_timers; ++i) {
        pending.arm(one, i);
        pending.disarm(one);
    }
    const measured each(watch, pending_timers);
    pending.disarm_all();
    co_return each;
}

bight::task<measured> arm_and_disarm_all() {
    timers all;
    const stopwatch watch;
    all.arm_all();
    all.disarm_all();
    co_return measured(watch, pending_timers);
}

bight::task<> sleep_long() { co_await bight::sleep_for(std::chrono::hours(1)); }

// From the request until the task has unwound and its group has forgotten it.
bight::task<measured> cancel_and_unwind() {
    std::optional<stopwatch> watch;
    co_await bight::with_group([&](bight::group& g) -> bight::task<> {
        for (int i = 0; i < cancelled; ++i) g.spawn(sleep_long());
        co_await bight::yield();  // they have begun, and sleep
        watch.emplace();
        g.cancel();
    });
    co_return measured(*watch, cancelled);
}

// One task sends, another receives, and both would rather wait than not: a message and its way through the
// ready queue.
bight::task<measured> send_and_receive() {
    bight::channel<int> numbers(64);
    if (!numbers.try_send(0)) std::abort();  // so that it has its buffer
    if (!numbers.try_receive()) std::abort();
    auto produce = [&]() -> bight::task<> {
        for (int i = 0; i < messages; ++i) co_await numbers.send(i);
        numbers.close();
    };
    auto consume = [&]() -> bight::task<> {
        int expected = 0;
        while (auto got = co_await numbers.receive()) {
            if (*got != expected++) std::abort();
        }
        if (expected != messages) std::abort();
    };
    const stopwatch watch;
    co_await bight::when_all(produce(), consume());
    co_return measured(watch, messages);
}

bight::task<measured> lock_and_unlock() {
    bight::mutex m;
    int counter = 0;
    const stopwatch watch;
    for (int i = 0; i < locks; ++i) {
        const auto held = co_await m.lock();
        ++counter;
    }
    if (counter != locks) std::abort();
    co_return measured(watch, locks);
}

void measure(const char* name, bight::task<measured> (*subject)(), unsigned rounds) {
    std::vector<double> results;
    bight::reactor r;
    r.run(subject());  // fills the pools
    for (unsigned i = 0; i < rounds; ++i) {
        const measured one = r.run(subject());
        results.push_back(one.ns);
        if (one.allocations > 0) {
            std::printf("%s: %ld allocations, where there should be none\n", name, one.allocations);
            std::exit(1);
        }
    }
    const auto [lowest, highest] = std::minmax_element(results.begin(), results.end());
    std::printf("%-8s %8.1f ns  (%.1f to %.1f)\n", name, bench::median(results), *lowest, *highest);
    std::fflush(stdout);
}

bight::task<> park(bight::manual_reset_event& until) { co_await until.wait(); }

// What a task that waits for something costs in memory, its place in a group included.
bight::task<> bytes_of_parked_tasks() {
    bight::manual_reset_event until;
    const double before = bench::resident_bytes(static_cast<unsigned>(::getpid()));
    co_await bight::with_group([&](bight::group& g) -> bight::task<> {
        for (int i = 0; i < parked; ++i) g.spawn(park(until));
        co_await bight::yield();
        const double after = bench::resident_bytes(static_cast<unsigned>(::getpid()));
        std::printf("%-8s %8.0f bytes for each of %d tasks that wait\n", "parked", (after - before) / parked,
                    parked);
        g.cancel();
    });
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(300);
    const unsigned rounds = bench::number(count, arguments, 1, 7, 100);
    {
        bight::reactor r;
        r.run(bytes_of_parked_tasks());
    }
    measure("call", call_and_return, rounds);
    measure("yield", yield_to_the_queue, rounds);
    measure("spawn", spawn_and_join, rounds);
    measure("timer", arm_and_disarm, rounds);
    measure("timers", arm_and_disarm_all, rounds);
    measure("channel", send_and_receive, rounds);
    measure("mutex", lock_and_unlock, rounds);
    measure("cancel", cancel_and_unwind, rounds);
}
