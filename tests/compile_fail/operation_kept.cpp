// An operation that is kept in a variable gives itself up when it is awaited: it has one result to give.
// expect: an operation is awaited once
// expect: co_await the call that makes it
// at most 17 lines
#include <bight/core/deferred.hpp>
#include <bight/core/task.hpp>
#include <bight/sync/channel.hpp>

bight::task<int> sum(bight::channel<int>& from, bight::deferred<int> d) {
    int all = 0;
#ifdef MISTAKE
    auto next = from.receive();
    while (auto v = co_await next) all += *v;
#else
    while (auto v = co_await from.receive()) all += *v;
    auto last = from.receive();
    const auto v = co_await std::move(last);
    all += v.value_or(0);
#endif
    const int first = co_await d;  // a deferred may be awaited any number of times
    const int again = co_await d;
    co_return all + first + again;
}
