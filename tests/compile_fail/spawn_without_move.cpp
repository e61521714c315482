// What moves only is moved in.
// expect: give what moves only (a stream, a std::unique_ptr) as std::move(x)
// at most 11 lines
#include <bight/core/group.hpp>

#include <memory>
#include <utility>

bight::task<> use(std::unique_ptr<int> owned, int) {
    ++*owned;
    co_return;
}

void start(bight::group& g, std::unique_ptr<int> owned) {
#ifdef MISTAKE
    g.spawn(use, owned, 1);
#else
    g.spawn(use, std::move(owned), 1);
#endif
}
