// What bight asks of the kernel for its sockets: flags, options, backlogs, and what is thrown away at the
// end.
#include "own_network.hpp"
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"
#include "support/skip.hpp"

#include <bight/bight.hpp>

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <chrono>
#include <set>
#include <string>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

std::set<int> open_ones() {
    std::set<int> found;
    for (int fd = 0; fd < 1024; ++fd) {
        if (::fcntl(fd, F_GETFD) >= 0) found.insert(fd);
    }
    return found;
}

// A blocking socket that listens on 127.0.0.1.
test::raw_socket listening() {
    test::raw_socket s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto any = bight::address::from_ip("127.0.0.1", 0);
    REQUIRE(::bind(s.get(), static_cast<const sockaddr*>(any.native()),
                   static_cast<socklen_t>(any.native_size())) == 0);
    REQUIRE(::listen(s.get(), 8) == 0);
    return s;
}

// How many connections the kernel keeps for a socket that listens (tcp(7): a listener's tcp_info).
unsigned backlog_of(const bight::listener& l) {
    tcp_info info{};
    socklen_t size = sizeof info;
    REQUIRE(::getsockopt(l.native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
    return info.tcpi_sacked;
}

}  // namespace

TEST_CASE("a backlog of less than nothing is refused, by name") {
    test::reactor_fixture on(bight::demultiplexer_kind::automatic);
    on.run([]() -> task<> {
        bight::listen_options options;
        options.backlog = -5;
        for (const char* where : {"tcp:0:interface=127.0.0.1", "unix:@bight-negative"}) {
            std::string said;
            try {
                (void)bight::listen(where, options);
            } catch (const std::invalid_argument& e) {
                said = e.what();
            }
            CHECK(said.find("listen_options::backlog is -5") != std::string::npos);
            CHECK(said.find(std::string(where).substr(0, 4)) != std::string::npos);
        }
        co_return;
    });
}

TEST_CASE("every descriptor that bight opens is close-on-exec") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const auto original = listening();
    const auto before = open_ones();
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        const test::temporary_directory directory;
        const bight::listener unix_one =
            bight::listen(test::new_endpoint(test::family::unix_path, directory));
        bight::listener adopted = bight::listen("fd:" + std::to_string(original.get()));
        const std::string where = test::endpoint_to(adopted.local());
        const bight::stream client = co_await bight::connect(where);
        const bight::stream server = co_await adopted.accept();
        const bight::stream same = co_await bight::connect("fd:" + std::to_string(client.native_handle()));
        std::set<int> ours;
        for (const int fd : open_ones()) {
            if (!before.contains(fd)) ours.insert(fd);
        }
        CHECK(ours.size() >= 7);  // what is named above, and what the listeners keep in reserve
        for (const int fd : ours) {
            CAPTURE(fd);
            CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        }
    });
}

TEST_CASE("a listener that was adopted waits for a connection, and holds nobody up meanwhile") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const auto original = listening();
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        bight::listener adopted = bight::listen("fd:" + std::to_string(original.get()));
        const auto nobody = co_await bight::try_with_timeout(adopted.accept(), 1ms);
        CHECK_FALSE(nobody.has_value());
        CHECK((::fcntl(adopted.native_handle(), F_GETFL) & O_NONBLOCK) != 0);
    });
}

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

TEST_CASE("tcp6 is IPv6 alone, and small writes do not wait for each other") {
    if (const auto& why = test::no_ipv6()) test::skip(*why);
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([]() -> task<> {
        const auto option = [](int fd, int level, int name) {
            int value = 0;
            socklen_t size = sizeof value;
            REQUIRE(::getsockopt(fd, level, name, &value, &size) == 0);
            return value;
        };
        bight::listener l = bight::listen("tcp6:0:interface=\\:\\:1");
        CHECK(option(l.native_handle(), IPPROTO_IPV6, IPV6_V6ONLY) == 1);
        const bight::stream client = co_await bight::connect(test::endpoint_to(l.local()));
        const bight::stream server = co_await l.accept();
        CHECK(option(client.native_handle(), IPPROTO_TCP, TCP_NODELAY) == 1);
        CHECK(option(server.native_handle(), IPPROTO_TCP, TCP_NODELAY) == 1);
    });
}

TEST_CASE("tcp6 leaves the same port of IPv4 to others") {
    if (const auto& why = test::no_ipv6()) test::skip(*why);
    const auto said = test::in_own_network(
        [] { return true; },
        [] {
            for (const auto kind : test::demultiplexers()) {
                bight::reactor_options options;
                options.demultiplexer = kind;
                bight::reactor r(options);
                r.run([]() -> task<> {
                    const bight::listener six = bight::listen("tcp6:0");
                    const bight::listener four = bight::listen("tcp:" + std::to_string(six.local().port()));
                    co_return;
                }());
            }
            return std::string("beside each other");
        });
    if (!said) test::skip("a network namespace is not allowed here");
    CHECK(*said == "beside each other");
}

TEST_CASE("connections from a chosen address use the local ports of each destination") {
    const auto said = test::in_own_network(
        [] { return test::set_network("ipv4/ip_local_port_range", "40000 40009"); },
        [] {
            for (const auto kind : test::demultiplexers()) {
                bight::reactor_options options;
                options.demultiplexer = kind;
                bight::reactor r(options);
                r.run([]() -> task<> {
                    std::vector<bight::stream> all;
                    const bight::listener one = bight::listen("tcp:7001:interface=127.0.0.1");
                    const bight::listener two = bight::listen("tcp:7002:interface=127.0.0.1");
                    for (int i = 0; i < 9; ++i) {
                        all.push_back(co_await bight::connect("tcp:127.0.0.1:7001:interface=127.0.0.2"));
                        all.push_back(co_await bight::connect("tcp:127.0.0.1:7002:interface=127.0.0.2"));
                    }
                    for (auto& s : all) s.abort();
                }());
            }
            return std::string("all connected");
        });
    if (!said) test::skip("a network namespace is not allowed here");
    CHECK(*said == "all connected");
}

TEST_CASE("megabytes that nobody has read do not turn the end of a connection into a reset") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    constexpr std::size_t unread = std::size_t{3} << 20;
    bool possible = false;
    test::reactor_fixture on(kind);
    test::raw_socket peer;
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_to_raw(test::family::tcp);
        const int room = 16 << 20;
        possible =
            ::setsockopt(pair.stream.native_handle(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) == 0;
        if (!possible) co_return;
        pair.raw.send(std::string(unread, 'x'));
        for (int left = 1; left > 0;) REQUIRE(::ioctl(pair.raw.get(), SIOCOUTQ, &left) == 0);
        co_await pair.stream.write("bye");
        peer = std::move(pair.raw);
    });
    if (!possible) test::skip("without CAP_NET_ADMIN no socket has room for so much");
    int error = -1;
    CHECK(peer.receive_all(&error) == "bye");
    CHECK(error == 0);
}
