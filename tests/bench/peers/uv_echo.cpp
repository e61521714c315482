// An echo server as a user of libuv writes it. It tries to write at once, and queues what the socket does not
// take. usage: uv_echo PORT
#include "bench.hpp"

#include <signal.h>
#include <uv.h>

#include <memory>

namespace {

char buffer[65536];  // one for all: what was read is written, or copied, before the next read

struct queued_write {
    uv_write_t request;
    std::unique_ptr<char[]> bytes;
};

void give_buffer(uv_handle_t*, std::size_t, uv_buf_t* to) { *to = uv_buf_init(buffer, sizeof buffer); }

void closed(uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); }

void written(uv_write_t* request, int) { delete reinterpret_cast<queued_write*>(request); }

void send(uv_stream_t* to, char* bytes, std::size_t size) {
    uv_buf_t all = uv_buf_init(bytes, static_cast<unsigned>(size));
    const int sent = std::max(0, uv_try_write(to, &all, 1));
    const std::size_t left = size - static_cast<std::size_t>(sent);
    if (left == 0) return;
    auto* later = new queued_write{{}, std::make_unique<char[]>(left)};
    std::copy_n(bytes + sent, left, later->bytes.get());
    const uv_buf_t rest = uv_buf_init(later->bytes.get(), static_cast<unsigned>(left));
    uv_write(&later->request, to, &rest, 1, written);
}

void received(uv_stream_t* from, ssize_t got, const uv_buf_t* into) {
    if (got < 0) {
        uv_close(reinterpret_cast<uv_handle_t*>(from), closed);
    } else {
        send(from, into->base, static_cast<std::size_t>(got));
    }
}

void connected(uv_stream_t* listener, int) {
    auto* peer = new uv_tcp_t;
    uv_tcp_init(listener->loop, peer);
    auto* stream = reinterpret_cast<uv_stream_t*>(peer);
    if (uv_accept(listener, stream) < 0) return uv_close(reinterpret_cast<uv_handle_t*>(peer), closed);
    uv_tcp_nodelay(peer, 1);
    uv_read_start(stream, give_buffer, received);
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    bench::raise_descriptor_limit();
    ::signal(SIGPIPE, SIG_IGN);  // a client that is gone would end the server
    const sockaddr_in where = bench::loopback(bench::number(count, arguments, 1, 7000, 65535));
    uv_loop_t* loop = uv_default_loop();
    uv_tcp_t listener;
    uv_tcp_init(loop, &listener);
    uv_tcp_bind(&listener, reinterpret_cast<const sockaddr*>(&where), 0);
    if (uv_listen(reinterpret_cast<uv_stream_t*>(&listener), SOMAXCONN, connected) < 0)
        bench::fail("uv_listen");
    uv_run(loop, UV_RUN_DEFAULT);
}
