// Nor another library's coroutine, whose operator co_await is a member.
// expect: a bight task awaits bight's awaitables only
// at most 17 lines
#include <bight/core/deferred.hpp>
#include <bight/core/task.hpp>

#include <coroutine>

struct foreign_task {
    std::suspend_never operator co_await() && { return {}; }
};
foreign_task foreign() { return {}; }

bight::task<> waits(bight::deferred<> bridge) {
#ifdef MISTAKE
    (void)bridge;
    co_await foreign();
#else
    co_await bridge;
#endif
}
