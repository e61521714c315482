// An echo server that computes STEPS steps for each message, on so many reactors, each pinned to a processor.
// usage: work_server REACTORS STEPS PORT
#include "bench.hpp"

#include <bight/bight.hpp>

namespace {

// Each step needs the result of the one before: no compiler and no processor makes it shorter.
std::uint64_t compute(std::uint64_t from, unsigned steps) {
    for (unsigned i = 0; i < steps; ++i) from = from * 6364136223846793005U + 1442695040888963407U;
    return from;
}

bight::task<> work(unsigned steps, bight::stream peer) {
    std::uint64_t result = 1;
    while (auto chunk = co_await peer.read_some()) {
        result = compute(result, steps);
        if (result == 0) co_return;  // somebody looks at it
        co_await peer.write(chunk);
    }
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    bight::runtime_options options;
    options.pin_threads = true;
    options.reactors = bench::number(count, arguments, 1, 1, 64);
    const unsigned steps = bench::number(count, arguments, 2, 1, 100'000'000);
    const unsigned port = bench::number(count, arguments, 3, 7000, 65535);
    return bight::exit_status_of([&] {
        bight::runtime cores(options);
        return bight::serve_on(cores, "tcp:127.0.0.1:" + std::to_string(port), work, steps);
    });
}
