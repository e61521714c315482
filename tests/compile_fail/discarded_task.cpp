// A task that is called and not awaited never runs.
// expect: a task does nothing until it is awaited
// at most 16 lines
#include <bight/core/task.hpp>

bight::task<> work() { co_return; }

bight::task<> caller() {
#ifdef MISTAKE
    work();
#else
    co_await work();
#endif
}
