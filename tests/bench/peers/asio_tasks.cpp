// What Asio needs for the steps that `tasks` measures; a line for each, with its name and nanoseconds. usage:
// asio_tasks
#include "bench.hpp"

#include <asio.hpp>

#include <deque>

namespace {

using asio::awaitable;
using asio::use_awaitable;

constexpr int calls = 2'000'000;
constexpr int yields = 500'000;
constexpr int spawns = 200'000;
constexpr int spawned_at_once = 1000;
constexpr int pending_timers = 1'000'000;

template <class Step>
void measure(const char* name, int steps, Step run) {
    const auto from = bench::clock::now();
    run();
    const std::chrono::duration<double, std::nano> passed = bench::clock::now() - from;
    std::printf("%-8s %8.1f ns\n", name, passed.count() / steps);
}

awaitable<int> add_one(int to) { co_return to + 1; }

awaitable<void> call_and_return() {
    int sum = 0;
    for (int i = 0; i < calls; ++i) sum = co_await add_one(sum);
    if (sum != calls) std::abort();
}

awaitable<void> yield_to_the_queue() {
    for (int i = 0; i < yields; ++i) co_await asio::post(use_awaitable);
}

awaitable<void> count(int& counter) {
    ++counter;
    co_return;
}

void spawn_and_join(asio::io_context& context) {
    int counter = 0;
    for (int i = 0; i < spawns; i += spawned_at_once) {
        for (int j = 0; j < spawned_at_once; ++j) asio::co_spawn(context, count(counter), asio::detached);
        context.run();
        context.restart();
    }
    if (counter != spawns) std::abort();
}

// Deadlines in no order, a thousand different ones, none of which comes.
asio::steady_timer::time_point some_deadline(bench::clock::time_point now, int i) {
    return now + std::chrono::seconds(1000 + (i % 1000) * 919 % 1000);
}

// One timer at a time, on top of a million that stay; and a million armed, then all cancelled. The handlers
// of cancelled ones run, too.
void arm_and_cancel(asio::io_context& context) {
    const auto now = bench::clock::now();
    std::deque<asio::steady_timer> all;
    for (int i = 0; i < pending_timers; ++i) all.emplace_back(context);
    const auto arm = [&](asio::steady_timer& one, int i) {
        one.expires_at(some_deadline(now, i));
        one.async_wait([](asio::error_code) {});
    };
    measure("timers", pending_timers, [&] {
        for (int i = 0; i < pending_timers; ++i) arm(all[static_cast<std::size_t>(i)], i);
        for (asio::steady_timer& one : all) one.cancel();
        context.run();
    });
    context.restart();
    for (int i = 0; i < pending_timers; ++i) arm(all[static_cast<std::size_t>(i)], i);
    asio::steady_timer one(context);
    measure("timer", pending_timers, [&] {
        for (int i = 0; i < pending_timers; ++i) {
            arm(one, i);
            one.cancel();
            if (i % 1000 == 999) context.poll();
        }
    });
}

}  // namespace

int main() {
    bench::live_at_most(120);
    asio::io_context context(1);
    asio::co_spawn(context, call_and_return(), asio::detached);
    measure("call", calls, [&] { context.run(); });
    context.restart();
    asio::co_spawn(context, yield_to_the_queue(), asio::detached);
    measure("yield", yields, [&] { context.run(); });
    context.restart();
    measure("spawn", spawns, [&] { spawn_and_join(context); });
    context.restart();
    arm_and_cancel(context);
}
