// Starts /bin/true and waits for its end, so many times, and prints the microseconds for each: children
// [COUNT]
#include "bench.hpp"

#include <bight/bight.hpp>
#include <bight/os/process.hpp>

bight::task<> start_children(unsigned count) {
    const bight::command what("/bin/true");
    for (unsigned i = 0; i < count; ++i) {
        bight::process child = bight::process::spawn(what);
        const bight::process_status how = co_await child.wait();
        if (!how.success()) std::exit(1);
    }
}

int main(int argc, char** argv) {
    const unsigned count = bench::number(argc, argv, 1, 1000, 1'000'000);
    bench::live_at_most(600);
    return bight::run([](unsigned n) -> bight::task<> {
        co_await start_children(n / 10 + 1);
        const bench::time_spent began;
        co_await start_children(n);
        began.print(n);
    }(count));
}
