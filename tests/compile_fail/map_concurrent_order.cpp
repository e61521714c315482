// The group, the items, how many at once, and the function: in this order. A generator is read by its next().
// at most 21 lines
#include <bight/generator/map_concurrent.hpp>

#include <string>
#include <vector>

bight::task<int> length(int item);
bight::task<> only(int item);
bight::task<int> of_text(std::string item);
int plain(int item);
bight::generator<int> numbers();
bight::generator<long> large();

bight::task<> mapped(bight::group& g, std::vector<int> items) {
    auto named = numbers();
#ifdef MISTAKE
    co_await bight::map_concurrent(g, items, length, 10).next();            // says: how many at once, then a function
    co_await bight::map_concurrent(items, 10, length).next();               // says: map_concurrent(group, items, limit, f)
    co_await bight::map_concurrent(g, length, items, 10).next();            // says: map_concurrent(g, urls, 10, fetch)
    co_await bight::map_concurrent(items, 10, length, g).next();            // says: takes a group
    co_await bight::map_concurrent(g, items, length).next();                // says: how many at once
    co_await bight::map_concurrent_unordered(g, items, length, 10).next();  // says: map_concurrent_unordered(group
    co_await bight::map_concurrent(g, items, 10, plain).next();             // says: gives something to await
    co_await bight::map_concurrent(g, items, 10, of_text).next();           // says: is called with one item
    co_await bight::map_concurrent(g, items, 10, only).next();              // says: for_each_concurrent is for those
    co_await bight::map_concurrent(g, named, 10, length).next();            // shows: std::move(g)
    co_await bight::for_each_concurrent(items, only, 10);                   // says: for_each_concurrent(urls, 10, fetch)
    co_await bight::for_each_concurrent(g, items, 10, only);                // says: and no group
    co_await bight::for_each_concurrent(items, 10, [](int) {});             // says: gives something to await
    co_await bight::map(plain, numbers()).next();                           // says: map(std::move(lines), parse)
    co_await bight::map(items, plain).next();                               // says: items_of(range)
    co_await bight::filter(numbers(), of_text).next();                      // says: gives a bool, or a task<bool>
    co_await bight::merge(numbers(), numbers()).next();                     // says: takes a group, then generators
    co_await bight::merge(g, numbers(), large()).next();                    // says: of one type
#else
    co_await bight::map_concurrent(g, items, 10, length).next();
    co_await bight::map_concurrent(g, std::move(named), 10, length).next();
    co_await bight::map_concurrent_unordered(g, items, 10, length).next();
    co_await bight::for_each_concurrent(items, 10, only);
    co_await bight::map(bight::items_of(items), plain).next();
    co_await bight::filter(numbers(), [](int i) { return i > 0; }).next();
    co_await bight::merge(g, numbers(), numbers()).next();
#endif
}

bight::task<int> sum() {
    int all = 0;
#ifdef MISTAKE
    for (int item : numbers()) all += item;  // shows: while (auto item = co_await items.next())
#else
    auto items = numbers();
    while (auto item = co_await items.next()) all += *item;
#endif
    co_return all;
}
