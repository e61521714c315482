// std::lock_guard calls lock() and drops what it gives.
// expect: a bight::mutex is locked by `auto guard = co_await m.lock();`
// at most 16 lines
#include <bight/sync/mutex.hpp>

#include <mutex>

bight::task<> held(bight::mutex& m) {
#ifdef MISTAKE
    const std::lock_guard guard(m);
#else
    auto guard = co_await m.lock();
#endif
    co_return;
}
