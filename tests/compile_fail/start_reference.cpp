// start stores its arguments, as spawn does.
// expect: for a parameter T& write std::ref(x)
// at most 14 lines
#include <bight/core/reactor.hpp>

#include <functional>

bight::task<> count(int& n) {
    ++n;
    co_return;
}

void start(bight::reactor& r, int& n) {
#ifdef MISTAKE
    r.start(count, n);
#else
    r.start(count, std::ref(n));
#endif
}
