// What does not know of bight's reactor and of cancellation cannot be awaited in a task.
// expect: a bight task awaits bight's awaitables only
// expect: make a bight::deferred
// at most 17 lines
#include <bight/core/deferred.hpp>
#include <bight/core/task.hpp>

#include <coroutine>

struct foreign {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    int await_resume() const noexcept { return 1; }
};

bight::task<int> waits(bight::deferred<int> bridge) {
#ifdef MISTAKE
    (void)bridge;
    co_return co_await foreign{};
#else
    const int got = co_await bridge;
    co_return got;
#endif
}
