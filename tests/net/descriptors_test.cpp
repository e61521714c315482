// What bight asks of the kernel for its sockets: flags, options, and what is thrown away at the end.
#include "blocking_mode.hpp"
#include "listening_socket.hpp"
#include "much_room.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"
#include "support/skip.hpp"

#include <bight/bight.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <set>
#include <string>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

TEST_CASE("a backlog of less than nothing is refused, by name") {
    test::reactor_fixture on(bight::demultiplexer_kind::automatic);
    on.run([]() -> task<> {
        bight::listen_options options;
        options.backlog = -5;
        const test::temporary_directory directory;
        for (const auto family : test::families()) {
            const std::string where = test::new_endpoint(family, directory);
            std::string said;
            try {
                (void)bight::listen(where, options);
            } catch (const std::invalid_argument& e) {
                said = e.what();
            }
            CHECK(said.find("listen_options::backlog is -5") != std::string::npos);
            CHECK(said.find(where.substr(0, 4)) != std::string::npos);
        }
        co_return;
    });
}

TEST_CASE("every descriptor that bight opens is close-on-exec") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    const auto original = test::listening_socket();
    const auto before = test::descriptor_numbers();
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        const test::temporary_directory directory;
        std::vector<bight::listener> of_each_family;
        for (const auto family : test::families()) {
            of_each_family.push_back(bight::listen(test::new_endpoint(family, directory)));
        }
        bight::listener adopted = bight::listen("fd:" + std::to_string(original.get()));
        const std::string where = test::endpoint_to(adopted.local());
        const bight::stream client = co_await bight::connect(where);
        const bight::stream server = co_await adopted.accept();
        const bight::stream same = co_await bight::connect("fd:" + std::to_string(client.native_handle()));
        std::set<int> ours;
        for (const int fd : test::descriptor_numbers()) {
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
    const auto original = test::listening_socket();
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        bight::listener adopted = bight::listen("fd:" + std::to_string(original.get()));
        const auto nobody = co_await bight::try_with_timeout(adopted.accept(), 1ms);
        CHECK_FALSE(nobody.has_value());
        CHECK(test::blocks_as(adopted.native_handle(), false));
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

TEST_CASE("megabytes that nobody has read do not turn the end of a connection into a reset") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    constexpr std::size_t unread = std::size_t{3} << 20;
    bool possible = false;
    test::reactor_fixture on(kind);
    test::raw_socket peer;
    on.run([&]() -> task<> {
        auto pair = co_await test::connected_to_raw(test::family::tcp);
        possible = test::give_much_room(pair.stream.native_handle());
        if (!possible) co_return;
        pair.raw.send(std::string(unread, 'x'));
        test::wait_until_arrived(pair.raw.get());
        co_await pair.stream.write("bye");
        peer = std::move(pair.raw);
    });
    if (!possible) test::skip(test::no_much_room);
    int error = -1;
    CHECK(peer.receive_all(&error) == "bye");
    CHECK(error == 0);
}
