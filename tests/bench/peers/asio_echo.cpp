// An echo server as a user of Asio writes it, with coroutines. usage: asio_echo PORT
#include "bench.hpp"

#include <asio.hpp>

namespace {

using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;

awaitable<void> echo(tcp::socket peer) {
    try {
        char buffer[65536];
        for (;;) {
            const std::size_t got = co_await peer.async_read_some(asio::buffer(buffer), use_awaitable);
            co_await asio::async_write(peer, asio::buffer(buffer, got), use_awaitable);
        }
    } catch (const asio::system_error&) {  // the end of the stream is one
    }
}

awaitable<void> serve(tcp::acceptor where) {
    for (;;) {
        tcp::socket peer = co_await where.async_accept(use_awaitable);
        peer.set_option(tcp::no_delay(true));
        asio::co_spawn(where.get_executor(), echo(std::move(peer)), asio::detached);
    }
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    bench::raise_descriptor_limit();
    const auto port = static_cast<asio::ip::port_type>(bench::number(count, arguments, 1, 7000, 65535));
    asio::io_context context(1);
    asio::co_spawn(context, serve(tcp::acceptor(context, {asio::ip::address_v4::loopback(), port})),
                   asio::detached);
    context.run();
}
