// An echo server as a user of libevent writes it, with its buffers. usage: event_echo PORT
#include "bench.hpp"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>

namespace {

void received(bufferevent* peer, void*) {
    evbuffer_add_buffer(bufferevent_get_output(peer), bufferevent_get_input(peer));
}

void happened(bufferevent* peer, short what, void*) {
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) bufferevent_free(peer);
}

void connected(evconnlistener* listener, evutil_socket_t fd, sockaddr*, int, void*) {
    bench::no_delay(fd);
    bufferevent* peer = bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(peer, received, nullptr, happened, nullptr);
    bufferevent_enable(peer, EV_READ | EV_WRITE);
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    bench::raise_descriptor_limit();
    ::signal(SIGPIPE, SIG_IGN);  // a client that is gone would end the server
    const sockaddr_in where = bench::loopback(bench::number(count, arguments, 1, 7000, 65535));
    event_base* base = event_base_new();
    if (!evconnlistener_new_bind(base, connected, nullptr, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE,
                                 SOMAXCONN, reinterpret_cast<const sockaddr*>(&where), sizeof where)) {
        bench::fail("evconnlistener_new_bind");
    }
    event_base_dispatch(base);
}
