// Reads one stream after the other to its end, or writes BYTES bytes to each client, as a user of bight does.
// usage: stream_server sink PORT    or: stream_server source BYTES PORT
#include "bench.hpp"

#include <bight/bight.hpp>

#include <cstring>

namespace {

bight::task<> sink(bight::stream peer) {
    while (auto chunk = co_await peer.read_some()) {
    }
}

bight::task<> source(std::size_t bytes, bight::stream peer) {
    const std::vector<char> piece(262144, 'x');
    while (bytes > 0) {
        const std::size_t next = std::min(bytes, piece.size());
        co_await peer.write(bight::const_buffer(piece.data(), next));
        bytes -= next;
    }
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    const bool reads = count == 3 && std::strcmp(arguments[1], "sink") == 0;
    const bool writes = count == 4 && std::strcmp(arguments[1], "source") == 0;
    if (!reads && !writes) {
        std::fprintf(stderr, "usage: stream_server sink PORT\n       stream_server source BYTES PORT\n");
        return 2;
    }
    const std::string where =
        "tcp:127.0.0.1:" + std::to_string(bench::number(count, arguments, count - 1, 0, 65535));
    if (reads) return bight::run(bight::serve(where, sink));
    const std::size_t bytes = bench::number(count, arguments, 2, 0, 1U << 31);
    return bight::run(bight::serve(where, source, bytes));
}
