// A collector is told what its tasks give, and its results come with time.
// at most 15 lines
#include <bight/core/group.hpp>
#include <bight/sync/collector.hpp>

bight::task<int> answer();
bight::task<> work();

bight::task<> collected(bight::group& g, bight::collector<int>& results) {
#ifdef MISTAKE
    const bight::collector unnamed(g);                                    // says: collector<int> results(g)
    const bight::collector<bight::task<int>> tasks(g);                    // says: for tasks that are a task<int>
    const bight::collector<void> nothing(g);                              // says: spawn the others in the group
    const bight::collector<int> alone;                                    // says: takes the group first
    const bight::collector<int> limit(g, 8);                              // says: collector<T>(group, order)
    const bight::collector<int> turned(bight::result_order::as_spawned, g);  // says: results(g, bight::result_order::as_spawned)
    results.spawn(work);                                                  // says: a task<T> of the collector's type
    results.spawn(answer());                                              // says: f, called with these
    results.spawn([] { return 5; });                                      // says: must give a task<T>
    while (auto next = results.next()) {}                                 // shows: it has no result yet
    for (auto next : results) (void)next;                                 // shows: while (auto result = co_await results.next())
    co_await results;                                                     // says: are awaited one by one
#else
    const bight::collector<int> as_they_end(g);
    const bight::collector<int> as_spawned(g, bight::result_order::as_spawned);
    results.spawn(answer);
    g.spawn(work);
    while (auto next = co_await results.next()) (void)*next;
#endif
}
