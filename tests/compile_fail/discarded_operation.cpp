// So does every operation of the core, and every scope.
// expect each ONE_AWAITED: co_await it
// at most 11 lines
#include <bight/bight.hpp>

#include <vector>

using namespace std::chrono_literals;

#ifdef MISTAKE
#define ONE_AWAITED
#else
#define ONE_AWAITED co_await
#endif

bight::task<> work();
bight::task<> in_group(bight::group& g);

bight::task<> scopes(std::vector<bight::task<>> several) {
    ONE_AWAITED bight::with_group(in_group);
    ONE_AWAITED bight::when_all(work(), bight::yield());
    ONE_AWAITED bight::when_any(work(), bight::yield());
    ONE_AWAITED bight::race(work(), bight::yield());
    ONE_AWAITED bight::when_all(std::move(several));
    ONE_AWAITED bight::when_any(std::move(several));
    ONE_AWAITED bight::race(std::move(several));
    ONE_AWAITED bight::with_timeout(work(), 1s);
    ONE_AWAITED bight::try_with_timeout(work(), 1s);
    ONE_AWAITED bight::shield(work(), 1s);
    ONE_AWAITED bight::finally(work(), work);
}

bight::task<> waits(bight::interval& every, bight::manual_reset_event& e, bight::latch& l,
                    bight::barrier<>& b, const bight::task_local<int>& number) {
    ONE_AWAITED bight::sleep_for(1s);
    ONE_AWAITED bight::sleep_until(bight::time_point());
    ONE_AWAITED bight::yield();
    ONE_AWAITED every.tick();
    ONE_AWAITED e.wait();
    ONE_AWAITED l.wait();
    ONE_AWAITED l.arrive_and_wait();
    ONE_AWAITED b.arrive_and_wait();
    ONE_AWAITED number.bind(1, work());
}

bight::task<> locks(bight::mutex& m, bight::shared_mutex& shared, bight::semaphore& s,
                    bight::condition& changed) {
    auto guard = co_await m.lock();
    ONE_AWAITED s.acquire();
    ONE_AWAITED changed.wait(guard);
#ifdef MISTAKE
    ONE_AWAITED m.lock();
    ONE_AWAITED shared.lock();
    ONE_AWAITED shared.lock_shared();
    ONE_AWAITED s.scoped_acquire();
#else
    auto one = co_await shared.lock();
    auto two = co_await s.scoped_acquire();
#endif
}

bight::task<> channels(bight::channel<int>& pipe, bight::concurrent_channel<int>& across,
                       bight::watch<int>::receiver& watched, bight::broadcast_channel<int>::receiver& heard,
                       bight::priority_queue<int>& sorted, bight::generator<int> items) {
    ONE_AWAITED pipe.send(1);
    ONE_AWAITED pipe.receive();
    ONE_AWAITED across.send(1);
    ONE_AWAITED across.receive();
    ONE_AWAITED watched.changed();
    ONE_AWAITED heard.receive();
    ONE_AWAITED sorted.push(1);
    ONE_AWAITED sorted.pop();
    ONE_AWAITED items.next();
}

bight::task<> services(bight::service& self, bight::service_tree& tree) {
    ONE_AWAITED bight::offload([] { return 1; });
    ONE_AWAITED self.stopping();
    ONE_AWAITED tree.run();
}
