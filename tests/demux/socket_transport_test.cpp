// The transport of sockets, apart from the streams that hold it.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include "net/socket_transport.hpp"

#include <bight/core/sleep.hpp>

#include <sys/socket.h>

using bight::task;
using bight::detail::socket_transport;

TEST_CASE("a transport that no stream ever held goes once, with its descriptor") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        const test::raw_socket peer(ends[1]);
        socket_transport& t = socket_transport::make(on.reactor(), ends[0]);
        t.retain();
        t.release();
        CHECK(on.reactor().statistics().live_descriptors == 0);
        CHECK(peer.receive_all().empty());
        co_return;
    });
}

TEST_CASE(
    "a transport that is kept after its last stream has gone is closed, and goes with its last holder") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_to_raw(test::family::tcp);
        bight::transport& t = pair.stream.lower();
        t.retain();
        pair.stream = {};
        CHECK_FALSE(t.is_open());
        pair.raw.close();
        while (t.closer()) co_await bight::yield();
        CHECK(on.reactor().statistics().live_descriptors == 0);
        t.release();
    });
}
