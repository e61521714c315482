// What a scope awaits is a task or another operation: not a function that would give one, nor a value.
// at most 15 lines
#include <bight/core/finally.hpp>
#include <bight/core/result.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task_local.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_any.hpp>

#include <vector>

using namespace std::chrono_literals;

bight::task<> work();
bight::task<int> answer();

#ifdef MISTAKE
void both() { (void)bight::when_all({work(), work()}); }  // says: when_all(a, b, ...)
#endif

bight::task<> scopes(bight::task_local<int>& number, std::vector<bight::task<>> several) {
#ifdef MISTAKE
    auto call = [] { return work(); };
    co_await bight::with_timeout(work, 5s);                             // says: with_timeout(awaited, limit) takes
    co_await bight::with_timeout(call, 5s);                             // says: work() for work
    co_await bight::with_timeout(5s, work());                           // says: with_timeout(work(), 5s)
    co_await bight::with_timeout(work());                               // says: then a time
    co_await bight::with_timeout(work(), 5);                            // says: with its unit
    co_await bight::with_timeout(work(), bight::clock::now() + 5s);     // says: a point in time minus the present
    co_await bight::try_with_timeout(call, 5s);                         // says: try_with_timeout(work(), 5s)
    co_await bight::shield(work());                                     // says: shield(work(), 5s)
    co_await bight::finally(work(), work());                            // says: then a function that gives a task<>
    co_await bight::finally(work(), [] {});                             // says: finally(work(), [&]() -> bight::task<>
    co_await bight::when_all(work(), 1);                                // says: takes tasks or other operations
    co_await bight::when_all(work, work);                               // says: work() for work
    co_await bight::when_all(several);                                  // says: std::move(tasks)
    co_await bight::when_any(call, call);                               // says: when_any(a, b, ...)
    co_await bight::race(work(), 5s);                                   // says: with_timeout sets a limit
    co_await number.bind(work(), 17);                                   // says: bind(17, work())
    co_await bight::as_result(call);                                    // says: as_result(operation) takes a task
#else
    co_await bight::with_timeout(work(), 5s);
    co_await bight::with_timeout(bight::sleep_for(1s), 5s);
    co_await bight::try_with_timeout(work(), 5s);
    co_await bight::shield(work(), 5s);
    co_await bight::finally(work(), work);
    co_await bight::when_all(work(), answer());
    co_await bight::when_all(std::move(several));
    co_await bight::race(work(), bight::sleep_for(5s));
    co_await number.bind(17, work());
    (void)co_await bight::as_result(work());
#endif
}
