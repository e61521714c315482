// A program outside of bight's tree: it compiles, links, and awaits in a loop that needs jumps between
// coroutines.
#include <bight/bight.hpp>

namespace {

bight::task<int> one() { co_return 1; }

bight::task<int> count(int limit) {
    int sum = 0;
    while (sum < limit) {
        const int next = co_await one();
        sum += next;
    }
    co_return sum;
}

}  // namespace

int main() {
    constexpr int limit = 1'000'000;
    bight::reactor reactor;
    return reactor.run(count(limit)) == limit ? 0 : 1;
}
