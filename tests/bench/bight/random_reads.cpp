// Reads 4 KiB at places drawn from a file in the page cache, DEPTH at a time, and prints the microseconds for
// each: random_reads [COUNT] [DEPTH]
#include "random_places.hpp"

#include <bight/bight.hpp>
#include <bight/os/file.hpp>

#include <functional>

namespace {

bight::task<> read_some(const bight::file& from, bench::random_places& places, unsigned& left,
                        bench::block& memory) {
    while (left > 0) {
        --left;
        const std::size_t got = co_await from.read_at(places.next(), memory);
        if (got != memory.size()) bench::fail("read_at");
    }
}

bight::task<> read_all(const bight::file& from, std::vector<bench::block>& blocks, unsigned count) {
    bench::random_places places;
    const auto read_side_by_side = [&](bight::group& g) -> bight::task<> {
        for (bench::block& memory : blocks) {
            g.spawn(read_some, std::cref(from), std::ref(places), std::ref(count), std::ref(memory));
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
        std::vector<bench::block> blocks(at_once);
        co_await read_all(from, blocks, n / 10 + 1);
        const bench::time_spent began;
        co_await read_all(from, blocks, n);
        began.print(n);
    }(count, depth));
}
