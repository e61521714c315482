// The echo server of the README on 127.0.0.1: what is measured. BIGHT_REACTOR chooses the demultiplexer.
// usage: echo_server PORT
#include "bench.hpp"

#include <bight/bight.hpp>

bight::task<> echo(bight::stream peer) {
    while (auto chunk = co_await peer.read_some()) co_await peer.write(chunk);
}

int main(int count, char** arguments) {
    bench::live_at_most(600);
    const unsigned port = bench::number(count, arguments, 1, 7000, 65535);
    return bight::run(bight::serve("tcp:127.0.0.1:" + std::to_string(port), echo));
}
