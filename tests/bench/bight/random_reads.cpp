// Reads 4 KiB at places drawn from a file in the page cache, DEPTH at a time, and prints the microseconds for
// each: random_reads [COUNT] [DEPTH]
#include "random_places.hpp"

#include <bight/bight.hpp>
#include <bight/os/file.hpp>

#include <functional>

namespace {

bight::task<> read_some(const bight::file& from, bench::random_places& places, unsigned& left) {
    std::array<char, bench::read_size> memory;
    while (left > 0) {
        --left;
        const std::size_t got = co_await from.read_at(places.next(), memory);
        if (got != memory.size()) bench::fail("read_at");
    }
}

bight::task<> read_all(const bight::file& from, unsigned count, unsigned depth) {
    bench::random_places places;
    const auto read_side_by_side = [&](bight::group& g) -> bight::task<> {
        for (unsigned i = 0; i < depth; ++i) {
            g.spawn(read_some, std::cref(from), std::ref(places), std::ref(count));
        }
        co_return;
    };
    co_await bight::with_group(read_side_by_side);
}

}  // namespace

int main(int argc, char** argv) {
    const unsigned count = bench::number(argc, argv, 1, 1'000'000, 100'000'000);
    const unsigned depth = bench::number(argc, argv, 2, 32, 1024);
    bench::live_at_most(600);
    return bight::run([](unsigned n, unsigned at_once) -> bight::task<> {
        const bight::file from(bench::sent_file());
        co_await read_all(from, n / 10 + 1, at_once);
        const bench::time_spent began;
        co_await read_all(from, n, at_once);
        began.print(n);
    }(count, depth));
}
