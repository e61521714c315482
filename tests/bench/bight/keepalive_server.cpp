// A server of many quiet clients on 127.0.0.1: what each sends now and then is answered with itself, as the
// sample keepalive does with records, and who is silent for IDLE_SECONDS is let go; without them nobody is.
// Several may share the port, for a process has a limit of descriptors. BIGHT_REACTOR chooses the
// demultiplexer. usage: keepalive_server PORT [IDLE_SECONDS]
#include "bench.hpp"

#include <bight/bight.hpp>

bight::task<> answer(bight::stream peer) {
    while (auto record = co_await peer.read_some()) co_await peer.write(record);
}

int main(int count, char** arguments) {
    bench::live_at_most(1200);
    bench::raise_descriptor_limit();
    const unsigned port = bench::number(count, arguments, 1, 7000, 65535);
    bight::serve_options options;
    if (count > 2) {
        options.idle_timeout = std::chrono::seconds(bench::number(count, arguments, 2, 0, 86400));
    }
    const std::string where = "tcp:" + std::to_string(port) + ":interface=127.0.0.1:reuse_port=yes";
    return bight::run(bight::serve(where, options, answer));
}
