// Nobody keeps the stream but the protocol.
// expect: a protocol takes the stream by value
// at most 18 lines
#include <bight/net/serve.hpp>

#ifdef MISTAKE
bight::task<> echo(bight::stream&& peer) {
#else
bight::task<> echo(bight::stream peer) {
#endif
    while (auto chunk = co_await peer.read_some()) co_await peer.write(chunk);
}

bight::task<> server() { return bight::serve("tcp:7000", bight::serve_options(), echo); }
