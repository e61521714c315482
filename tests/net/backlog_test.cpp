// How many connections a listener asks the kernel to keep for it.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <string>

using bight::task;

namespace {

// How many connections the kernel keeps for a socket that listens (tcp(7): a listener's tcp_info).
unsigned backlog_of(const bight::listener& l) {
    tcp_info info{};
    socklen_t size = sizeof info;
    REQUIRE(::getsockopt(l.native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
    return info.tcpi_sacked;
}

}  // namespace

TEST_CASE("the backlog of an endpoint goes before that of the options, and both before the system's") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        const std::string anywhere = "tcp:0:interface=127.0.0.1";
        bight::listen_options options;
        CHECK(backlog_of(bight::listen(anywhere + ":backlog=3", options)) == 3);
        CHECK(backlog_of(bight::listen(anywhere, options)) > 5);
        options.backlog = 5;
        CHECK(backlog_of(bight::listen(anywhere, options)) == 5);
        CHECK(backlog_of(bight::listen(anywhere + ":backlog=3", options)) == 3);
        co_return;
    });
}
