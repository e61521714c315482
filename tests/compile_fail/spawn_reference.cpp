// A reference to what the caller owns is said with std::ref.
// expect: for a parameter T& write std::ref(x)
// at most 11 lines
#include <bight/core/group.hpp>

bight::task<> count(int& n) {
    ++n;
    co_return;
}

void start(bight::group& g, int& n) {
#ifdef MISTAKE
    g.spawn(count, n);
#else
    g.spawn(count, std::ref(n));
#endif
}
