// What passes streams on, or waits for their end, refers to streams that outlive it.
// at most 13 lines
#include <bight/io/buffered_reader.hpp>
#include <bight/io/until_peer_gone.hpp>
#include <bight/net/connect.hpp>
#include <bight/net/draining.hpp>
#include <bight/net/relay.hpp>

#include <algorithm>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

bight::task<> work();

bight::task<> passed_on(bight::stream a, bight::stream b, bight::buffered_reader& lines,
                        const bight::stream& fixed) {
#ifdef MISTAKE
    co_await bight::copy(std::move(a), b);                           // says: copy(from, to) takes two streams that have names
    co_await bight::copy(a, co_await bight::connect("tcp:x:1"));     // says: auto to = co_await bight::connect(where)
    co_await bight::copy(lines, b);                                  // says: takes two streams
    co_await bight::copy(a, b, 5s);                                  // says: see with_timeout
    co_await bight::relay(a, bight::connect("tcp:x:1"));             // says: auto b = co_await bight::connect(where)
    co_await bight::relay(a, "tcp:x:1");                             // says: relay(a, b) takes two streams
    co_await bight::relay(std::move(a), std::move(b));               // says: that have names, are not const, and outlive it
    co_await bight::until_peer_gone();                               // says: takes a stream that has a name
    co_await bight::until_peer_gone(std::move(a));                   // says: takes a stream that has a name
    co_await bight::until_peer_gone(fixed);                          // says: and is not const
    co_await bight::until_peer_gone(a, 5s);                          // says: with_timeout(until_peer_gone(peer), 30s)
    co_await bight::until_draining(work);                            // says: work() for work
    co_await bight::until_draining(lines);                           // says: until_draining(lines.next())
    co_await bight::until_draining();                                // says: draining() waits for nothing else
    co_await bight::until_draining(work(), 5s);                      // says: takes one task or another operation
    co_await bight::draining;                                        // says: a function or a lambda is called
#else
    co_await bight::copy(a, b);
    co_await bight::relay(a, b);
    (void)co_await bight::until_peer_gone(a);
    (void)co_await bight::until_draining(lines.line());
    co_await bight::draining();
    (void)fixed;
#endif
}

// The standard library's function, found by its arguments as bight's is, is not hidden by what says this.
void copied(const std::vector<bight::stream*>& from, std::vector<bight::stream*>& to) {
    copy(from.begin(), from.end(), to.begin());
}
