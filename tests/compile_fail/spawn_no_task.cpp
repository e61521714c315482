// What is spawned gives a task<>: nobody would take a value.
// expect: must give a task<>
// at most 11 lines
#include <bight/core/group.hpp>

bight::task<int> answer() { co_return 42; }

void start(bight::group& g) {
#ifdef MISTAKE
    g.spawn(answer);
#else
    g.spawn([]() -> bight::task<> { co_await answer(); });
#endif
}
