// An idle time-out takes what it ends, then the time, then the streams that it watches.
// at most 10 lines
#include <bight/core/movable_deadline.hpp>
#include <bight/io/buffered_reader.hpp>
#include <bight/io/idle_timeout.hpp>

#include <utility>

using namespace std::chrono_literals;

bight::task<> work();

bight::task<> watched(bight::stream peer, bight::buffered_reader& lines, bight::movable_deadline& limit) {
#ifdef MISTAKE
    auto call = [] { return work(); };
    co_await bight::with_idle_timeout(work, 5s, peer);                  // says: work() for work
    co_await bight::with_idle_timeout(call, 5s, peer);                  // says: work() for work
    co_await bight::with_idle_timeout(work(), peer, 5s);                // says: then a time with its unit, then the streams
    co_await bight::with_idle_timeout(5s, work(), peer);                // says: takes a task or another operation, then a time
    co_await bight::with_idle_timeout(work(), 5s);                      // says: with_idle_timeout(work(), 30s, peer)
    co_await bight::with_idle_timeout(work(), 5, peer);                 // says: a time with its unit
    co_await bight::with_idle_timeout(work(), 5s, std::move(peer));     // says: the streams, by their names
    co_await bight::with_idle_timeout(work(), 5s, lines);               // says: then the streams
    co_await bight::with_idle_timeout(work(), limit, peer);             // says: a time with its unit
    (void)co_await bight::try_with_idle_timeout(work(), peer, 5s);      // says: try_with_idle_timeout(work(), 30s, peer)
#else
    co_await bight::with_idle_timeout(work(), 5s, peer);
    (void)co_await bight::try_with_idle_timeout(lines.line(), 5s, peer, peer);
    (void)limit;
#endif
}
