// One step of the runtime, many times: what is counted, not timed. usage: steps NAME COUNT
#include "bench.hpp"

#include <bight/bight.hpp>

#include <chrono>
#include <cstring>

namespace {

bight::task<int> add_one(int to) { co_return to + 1; }

bight::task<> call(int count) {
    int sum = 0;
    for (int i = 0; i < count; ++i) sum = co_await add_one(sum);
    if (sum != count) std::abort();
}

bight::task<> yield(int count) {
    for (int i = 0; i < count; ++i) co_await bight::yield();
}

bight::task<> sleep(int count) {
    for (int i = 0; i < count; ++i) co_await bight::sleep_for(std::chrono::nanoseconds(1));
}

bight::task<> add(int& sum) {
    ++sum;
    co_return;
}

bight::task<> spawn(int count) {
    int sum = 0;
    for (int i = 0; i < count; i += 1000) {
        co_await bight::with_group([&](bight::group& g) {
            for (int j = 0; j < 1000; ++j) g.spawn(add(sum));
        });
    }
    if (sum < count) std::abort();
}

bight::task<> park() { co_await bight::sleep_for(std::chrono::hours(1)); }

bight::task<> cancel(int count) {
    for (int i = 0; i < count; i += 100) {
        co_await bight::with_group([&](bight::group& g) -> bight::task<> {
            for (int j = 0; j < 100; ++j) g.spawn(park());
            co_await bight::yield();
            co_await bight::yield();
            g.cancel();
        });
    }
}

struct step {
    const char* name;
    bight::task<> (*run)(int);
};

constexpr step steps[] = {
    {"call", call}, {"yield", yield}, {"sleep", sleep}, {"spawn", spawn}, {"cancel", cancel}};

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    for (const step& s : steps) {
        if (count == 3 && std::strcmp(arguments[1], s.name) == 0)
            return bight::run(s.run(static_cast<int>(bench::number(count, arguments, 2, 0, 10'000'000))));
    }
    std::fprintf(stderr, "usage: steps call|yield|sleep|spawn|cancel COUNT\n");
    return 2;
}
