// std::shared_lock calls lock_shared() and drops what it gives.
// expect: a bight::shared_mutex is locked by `auto guard = co_await m.lock_shared();`
// at most 14 lines
#include <bight/sync/shared_mutex.hpp>

#include <shared_mutex>

bight::task<> held(bight::shared_mutex& m) {
#ifdef MISTAKE
    const std::shared_lock guard(m);
#else
    auto guard = co_await m.lock_shared();
#endif
    co_return;
}
