// A task gives itself up when it is awaited: awaiting a variable says so with std::move.
// expect: a task is awaited once
// expect: write co_await std::move(t)
// at most 14 lines
#include <bight/core/task.hpp>

bight::task<int> answer() { co_return 42; }

bight::task<int> twice() {
    auto t = answer();
#ifdef MISTAKE
    const int first = co_await t;
#else
    const int first = co_await std::move(t);
#endif
    co_return first;
}
