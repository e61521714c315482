// What is awaited is an operation: not what has one, nor what gives one when it is called.
// at most 22 lines
#include <bight/core/interval.hpp>
#include <bight/core/sleep.hpp>
#include <bight/generator/generator.hpp>
#include <bight/net/listener.hpp>
#include <bight/sync/channel.hpp>
#include <bight/sync/event.hpp>
#include <bight/sync/mutex.hpp>
#include <bight/sync/semaphore.hpp>

#include <future>
#include <vector>

using namespace std::chrono_literals;

bight::task<> work();
bight::task<int> answer();
bight::generator<int> numbers();

bight::task<> awaits(std::vector<bight::task<>> several, std::future<int> future) {
    auto call = [] { return work(); };
    auto items = numbers();
#ifdef MISTAKE
    co_await work;                // says: co_await work() for work
    co_await call;                // says: a function or a lambda is called
    co_await 5s;                  // says: co_await bight::sleep_for(5s)
    co_await numbers();           // says: while (auto item = co_await items.next())
    co_await items;               // says: awaited one by one
    co_await std::move(several);  // says: when_all(std::move(tasks))
    co_await std::move(future);   // says: co_await bight::offload([&] { return future.get(); })
    const int value = co_await 5;  // says: this is a value already
    (void)value;
#else
    co_await work();
    co_await call();
    co_await bight::sleep_for(5s);
    while (auto item = co_await items.next()) (void)*item;
    (void)several;
    (void)future;
#endif
}

bight::task<> operations(bight::mutex& m, bight::channel<int>& c, bight::manual_reset_event& e, bight::semaphore& s,
                         bight::interval& i, bight::listener& l, bight::stream& peer) {
#ifdef MISTAKE
    co_await m;     // says: an object is not awaited, its operation is
    co_await c;     // says: x.receive()
    co_await e;     // says: x.wait()
    co_await s;     // says: x.acquire()
    co_await i;     // says: x.tick()
    co_await l;     // says: x.accept()
    co_await peer;  // says: x.read_some()
#else
    auto guard = co_await m.lock();
    (void)co_await c.receive();
    co_await e.wait();
    co_await s.acquire();
    co_await i.tick();
    (void)co_await l.accept();
    (void)co_await peer.read_some();
#endif
}
