// A task that is kept and never awaited does not run either.
// expect: unused variable
// at most 6 lines
#include <bight/core/task.hpp>

bight::task<> work() { co_return; }

bight::task<> caller() {
    auto t = work();
#ifndef MISTAKE
    co_await std::move(t);
#endif
    co_return;
}
