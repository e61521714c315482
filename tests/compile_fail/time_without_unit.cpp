// A length of time has a unit, and is no point in time.
// at most 14 lines
#include <bight/core/interval.hpp>
#include <bight/core/sleep.hpp>

#include <chrono>

using namespace std::chrono_literals;

bight::task<> times() {
    const bight::time_point then = bight::clock::now() + 5s;
#ifdef MISTAKE
    co_await bight::sleep_for(5);                                          // says: with its unit: 5s
    co_await bight::sleep_for(0.5);                                        // says: 500ms
    co_await bight::sleep_for(then);                                       // says: sleep_until(t)
    co_await bight::sleep_until(5s);                                       // says: sleep_for(5s)
    const bight::interval every(5);                                        // says: with its unit: 5s
#else
    co_await bight::sleep_for(5s);
    co_await bight::sleep_for(std::chrono::duration<double>(0.5));
    co_await bight::sleep_until(then);
    const bight::interval every(5s);
#endif
    (void)then;
}
