// A task, a generator, a stream and a listener have one owner.
// at most 22 lines
#include <bight/core/group.hpp>
#include <bight/core/run.hpp>
#include <bight/core/timeout.hpp>
#include <bight/generator/generator_adaptors.hpp>
#include <bight/net/serve.hpp>

using namespace std::chrono_literals;

bight::task<> work();
bight::task<> echo(bight::stream peer);
bight::generator<int> numbers();

bight::task<> copies(bight::group& g, bight::stream peer, bight::listener l) {
    auto t = work();
    auto items = numbers();
#ifdef MISTAKE
    g.spawn(t);                            // shows: std::move(t)
    co_await bight::with_timeout(t, 5s);   // shows: std::move(t)
    (void)bight::collect(items);           // shows: std::move(g)
    co_await echo(peer);                   // shows: std::move(peer)
    co_await bight::serve(l, echo);        // shows: std::move(l)
    (void)bight::run(t);                   // shows: std::move(t)
#else
    g.spawn(std::move(t));
    (void)co_await bight::collect(std::move(items));
    co_await echo(std::move(peer));
    co_await bight::serve(std::move(l), echo);
#endif
    co_return;
}
