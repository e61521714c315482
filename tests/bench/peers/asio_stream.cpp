// Reads streams to their end, or writes BYTES bytes to each client, as a user of Asio does with coroutines.
// usage: asio_stream sink PORT    or: asio_stream source BYTES PORT
#include "bench.hpp"

#include <asio.hpp>

#include <cstring>

namespace {

using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;

awaitable<void> sink(tcp::socket peer) {
    try {
        std::vector<char> buffer(65536);
        for (;;) co_await peer.async_read_some(asio::buffer(buffer), use_awaitable);
    } catch (const asio::system_error&) {  // the end of the stream is one
    }
}

awaitable<void> source(tcp::socket peer, std::size_t bytes) {
    const std::vector<char> piece(262144, 'x');
    while (bytes > 0) {
        const std::size_t next = std::min(bytes, piece.size());
        co_await asio::async_write(peer, asio::buffer(piece.data(), next), use_awaitable);
        bytes -= next;
    }
}

awaitable<void> serve(tcp::acceptor where, std::size_t bytes) {
    for (;;) {
        tcp::socket peer = co_await where.async_accept(use_awaitable);
        asio::co_spawn(where.get_executor(),
                       bytes > 0 ? source(std::move(peer), bytes) : sink(std::move(peer)), asio::detached);
    }
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    const bool writes = count == 4 && std::strcmp(arguments[1], "source") == 0;
    if (!writes && (count != 3 || std::strcmp(arguments[1], "sink") != 0)) {
        std::fprintf(stderr, "usage: asio_stream sink PORT\n       asio_stream source BYTES PORT\n");
        return 2;
    }
    const std::size_t bytes = writes ? bench::number(count, arguments, 2, 0, 1U << 31) : 0;
    const auto port = static_cast<asio::ip::port_type>(bench::number(count, arguments, count - 1, 0, 65535));
    asio::io_context context(1);
    asio::co_spawn(context, serve(tcp::acceptor(context, {asio::ip::address_v4::loopback(), port}), bytes),
                   asio::detached);
    context.run();
}
