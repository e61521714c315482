// The body of a group is called with the group, and gives a task<> or nothing.
// at most 14 lines
#include <bight/core/group.hpp>

bight::task<> body(bight::group& g);
bight::task<int> counting(bight::group& g);
bight::task<> elsewhere();

bight::task<> groups(bight::group& g) {
#ifdef MISTAKE
    co_await bight::with_group(elsewhere);                      // says: calls the body with a group&
    co_await bight::with_group(counting);                       // says: the body gives a task<>, or nothing
    co_await bight::with_group([](bight::group&) { return 1; });  // says: [&](bight::group& g) -> bight::task<>
    co_await bight::with_group(body(g));                        // says: with_group(body)
    co_await bight::with_group(body, 8);                        // says: with_group(options, body)
#else
    co_await bight::with_group(body);
    co_await bight::with_group({.limit = 8}, body);
    co_await bight::with_group([](bight::group& inner) { inner.spawn(elsewhere); });
    g.cancel();
#endif
}
