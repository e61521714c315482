// A task and an operation are neither true nor false.
// at most 18 lines
#include <bight/io/line_reader.hpp>
#include <bight/sync/channel.hpp>

bight::task<bool> ready();

bight::task<> conditions(bight::stream& peer, bight::line_reader& lines, bight::channel<int>& numbers) {
#ifdef MISTAKE
    if (ready()) co_return;                                           // shows: if (auto x = co_await work())
    while (auto bytes = peer.read_some()) (void)bytes;                // shows: co_await operation
    while (auto line = lines.next()) (void)line;                      // shows: it has no result yet
    if (auto number = numbers.receive(); !number) (void)number;       // shows: it has no result yet
#else
    const bool yes = co_await ready();
    if (yes) co_return;
    while (auto bytes = co_await peer.read_some()) (void)bytes;
    while (auto line = co_await lines.next()) (void)line;
    if (auto number = co_await numbers.receive(); !number) co_return;
#endif
    co_return;
}
