// A deadline that can be moved is an object with a name, to which a task runs.
// at most 16 lines
#include <bight/core/movable_deadline.hpp>
#include <bight/core/now.hpp>

#include <utility>

using namespace std::chrono_literals;

bight::task<> work();

bight::task<> limited() {
    bight::movable_deadline limit(5s);
#ifdef MISTAKE
    const bight::movable_deadline until(bight::now() + 5s);                    // says: takes a length of time
    const bight::movable_deadline none;                                        // says: movable_deadline(limit)
    co_await bight::with_timeout(work(), bight::movable_deadline(5s));         // says: a movable_deadline that has a name
    (void)co_await bight::try_with_timeout(work(), std::move(limit));          // says: a movable_deadline that has a name
    co_await bight::with_timeout(limit, work());                               // says: with_timeout(work(), 5s)
    limit.push(5s);                                                            // says: move_to(bight::now() + 5s)
    limit.move_to(5s);                                                         // says: takes a time_point of bight::clock
    limit.move_to();                                                           // says: push() moves it to its own limit
    co_await limit;                                                            // says: co_await bight::with_timeout(work(), limit)
#else
    co_await bight::with_timeout(work(), limit);
    (void)co_await bight::try_with_timeout(work(), limit);
    limit.push();
    limit.move_to(bight::now() + 5s);
#endif
}
