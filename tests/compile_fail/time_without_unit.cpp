// A length of time has a unit, and is no point in time.
// at most 14 lines
#include <bight/core/interval.hpp>
#include <bight/core/movable_deadline.hpp>
#include <bight/core/sleep.hpp>
#include <bight/net/serve.hpp>
#include <bight/sync/token_bucket.hpp>

#include <chrono>

using namespace std::chrono_literals;

bight::task<> echo(bight::stream peer);

bight::task<> times() {
    const bight::time_point then = bight::clock::now() + 5s;
#ifdef MISTAKE
    co_await bight::sleep_for(5);                                          // says: with its unit: 5s
    co_await bight::sleep_for(0.5);                                        // says: 500ms
    co_await bight::sleep_for(then);                                       // says: sleep_until(t)
    co_await bight::sleep_until(5s);                                       // says: sleep_for(5s)
    const bight::interval every(5);                                        // says: with its unit: 5s
    const bight::movable_deadline limit(5);                                // says: with its unit: 30s
    const bight::token_bucket requests(100, 1, 20);                        // says: token_bucket(100, 1s, 20)
    const bight::token_bucket turned(1s, 100, 20);                         // says: token_bucket(rate, per, burst)
    const bight::token_bucket endless(100, 1s);                            // says: and how many are kept
    co_await bight::serve("tcp:8123", {.idle_timeout = 30}, echo);         // says: {.idle_timeout = 30s}
#else
    co_await bight::sleep_for(5s);
    co_await bight::sleep_for(std::chrono::duration<double>(0.5));
    co_await bight::sleep_until(then);
    const bight::interval every(5s);
    const bight::movable_deadline limit(5s);
    const bight::token_bucket requests(100, 1s, 20);
    co_await bight::serve("tcp:8123", {.idle_timeout = 30s}, echo);
#endif
    (void)then;
}
