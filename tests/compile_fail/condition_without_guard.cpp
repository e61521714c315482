// A condition is waited for with the guard of its mutex.
// at most 14 lines
#include <bight/sync/condition.hpp>

bight::task<bool> later();

bight::task<> waits(bight::condition& changed, bight::mutex& m, bool& ready) {
    auto guard = co_await m.lock();
#ifdef MISTAKE
    co_await changed.wait();                               // says: the guard of the locked mutex
    co_await changed.wait(m);                              // says: auto guard = co_await m.lock()
    co_await changed.wait([&] { return ready; });          // says: wait(guard, predicate)
    co_await changed.wait(guard, [] { return later(); });  // says: that gives a bool
#else
    co_await changed.wait(guard);
    co_await changed.wait(guard, [&] { return ready; });
#endif
}
