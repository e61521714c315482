// connect with a descriptor that it takes over.
#include "passed_descriptors.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/error_of.hpp"
#include "support/few_descriptors.hpp"
#include "support/open_descriptors.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/descriptor_passing.hpp>
#include <bight/sim/world.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <system_error>
#include <utility>

using bight::owned_descriptor;
using bight::task;
using test::family;
using test::marked;

TEST_CASE(
    "connect: takes over a descriptor, where no other is to be had, too, and closes it with its stream") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        const int before = test::open_descriptors();
        {
            int ends[2];
            REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
            owned_descriptor first(ends[0]);
            const test::raw_socket raw(ends[1]);
            const int number = first.get();
            bight::stream s;
            {
                const test::few_descriptors none(0);
                s = co_await bight::connect(std::move(first));
            }
            CHECK_FALSE(first);
            CHECK(s.native_handle() == number);
            co_await s.write("hello");
            char bytes[5];
            CHECK(::recv(raw.get(), bytes, sizeof bytes, 0) == 5);
            s.abort();
        }
        CHECK(test::open_descriptors() == before);
    });
}

TEST_CASE("connect: a descriptor that is no connection is refused with words, and closed") {
    ON_EACH_WITH_UNIX_SOCKETS;
    on.run([]() -> task<> {
        const bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const int before = test::open_descriptors();
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
        const auto datagrams = co_await test::error_of(bight::connect(owned_descriptor(ends[0])));
        CHECK(datagrams == std::errc::wrong_protocol_type);
        owned_descriptor(ends[1]).reset();
        const auto file = co_await test::error_of(bight::connect(marked(1)));
        CHECK(file == std::errc::not_a_socket);
        const auto listens =
            co_await test::error_of(bight::connect(owned_descriptor(::dup(l.native_handle()))));
        CHECK(listens == std::errc::invalid_argument);
        const auto none = co_await test::error_of(bight::connect(owned_descriptor()));
        CHECK(none == std::errc::bad_file_descriptor);
        CHECK(test::open_descriptors() == before);
    });
}

TEST_CASE("connect: takes over a descriptor of a simulated host") {
    bight::sim::world w(1);
    auto& host = w.add("host");
    bool served = false;
    host.run([&]() -> task<> {
        auto pair = co_await test::connected_pair(family::unix_abstract);
        const std::size_t before = host.sockets();
        owned_descriptor socket = bight::release_descriptor(std::move(pair.server));
        bight::stream s = co_await bight::connect(std::move(socket));
        CHECK(host.sockets() == before);
        co_await s.write("x");
        char byte = 0;
        co_await pair.client.read_exactly(bight::mutable_buffer(&byte, 1));
        served = byte == 'x';
    });
    w.run();
    CHECK(served);
}
