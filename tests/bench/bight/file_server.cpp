// Sends BYTES bytes of a file to each client, as a user of bight does. usage: file_server BYTES PORT
#include "sent_file.hpp"

#include <bight/bight.hpp>
#include <bight/net/send_file.hpp>

namespace {

bight::task<> serve_file(int file, std::size_t bytes, bight::stream peer) {
    while (bytes > 0) {
        const std::size_t next = std::min(bytes, bench::sent_file_size);
        co_await bight::send_file(peer, file, 0, next);
        bytes -= next;
    }
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    if (count != 3) {
        std::fprintf(stderr, "usage: file_server BYTES PORT\n");
        return 2;
    }
    const std::size_t bytes = bench::number(count, arguments, 1, 0, 1U << 31);
    const std::string where =
        "tcp:127.0.0.1:" + std::to_string(bench::number(count, arguments, 2, 0, 65535));
    return bight::run(bight::serve(where, serve_file, bench::sent_file(), bytes));
}
