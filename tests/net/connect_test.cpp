// Connecting: what it reaches, what it throws, and what it leaves when it is cancelled.
#include <bight/net/connect.hpp>

#include "black_hole.hpp"
#include "blocking_mode.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/each_reactor.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

using bight::connect;
using bight::errc;
using bight::task;
using test::error_of;
using test::from_errno;

namespace {

// A port of 127.0.0.1 at which nobody listens.
std::uint16_t free_port() {
    const bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
    return l.local().port();
}

}  // namespace

TEST_CASE("each family connects to its listener") {
    const auto kind = GENERATE(from_range(test::reactors()));
    const auto family = GENERATE(from_range(test::families()));
    CAPTURE(kind, family);
    test::reactor_fixture on(kind);
    on.run([&]() -> task<> {
        const test::temporary_directory directory;
        bight::listener l = bight::listen(test::new_endpoint(family, directory));
        bight::stream client = co_await connect(test::endpoint_to(l.local()));
        CHECK(client.peer() == l.local());
        bight::stream server = co_await l.accept();
        co_await client.write("hello");
        const auto chunk = co_await server.read_some();
        CHECK(chunk.view() == "hello");
    });
}

TEST_CASE(
    "a connection that ended before its reactor looked is a stream with what was written, and its end") {
    enum class ending { reset, end_and_reset };
    const auto how = GENERATE(ending::reset, ending::end_and_reset);
    const bool writes_first = GENERATE(false, true);
    CAPTURE(static_cast<int>(how), writes_first);
    test::on_each_of(test::real_reactors(), [&]() -> task<> {
        const test::raw_socket listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const auto any = bight::address::from_ip("127.0.0.1", 0);
        REQUIRE(::bind(listening.get(), static_cast<const sockaddr*>(any.native()),
                       static_cast<socklen_t>(any.native_size())) == 0);
        REQUIRE(::listen(listening.get(), 1) == 0);
        sockaddr_in bound{};
        socklen_t size = sizeof bound;
        REQUIRE(::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0);
        bool over = false;
        // In the turn that began to connect, where connecting is a call: before the kernel is asked again.
        auto serves = [&]() -> task<> {
            int fd = -1;
            while ((fd = ::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC)) < 0)
                co_await bight::yield();
            test::raw_socket peer(fd);
            peer.send("busy");
            if (how == ending::end_and_reset) ::shutdown(fd, SHUT_WR);
            peer.reset();
            over = true;
        };
        auto connects = [&]() -> task<> {
            bight::stream s = co_await connect("tcp:127.0.0.1:" + std::to_string(ntohs(bound.sin_port)));
            CHECK(s.peer().port() == ntohs(bound.sin_port));
            while (!over) co_await bight::yield();  // the reactor may have been quicker
#if defined(_WIN32)                                 // knows only the reset
            constexpr bool only_reset = true;
#else
            const bool only_reset = how == ending::reset;
#endif
            const auto failed = from_errno(only_reset ? ECONNRESET : EPIPE);
            if (writes_first) {
                const auto first = co_await error_of(s.write("hello"));
                CHECK(first == failed);
            }
            const std::string all = co_await test::rest(s);
            CHECK_THAT(all, Catch::StartsWith(only_reset ? "busy, error " : "busy, end"));
            const auto later = co_await error_of(s.write("hello"));
            CHECK(later == failed);
        };
        co_await bight::when_all(connects(), serves());
    });
}

TEST_CASE("a refused connection gives ECONNREFUSED and says where to") {
    test::on_each_of(test::reactors(), []() -> task<> {
        const std::string port = std::to_string(free_port());
        std::string what;
        try {
            co_await connect("tcp:127.0.0.1:" + port);
        } catch (const std::system_error& e) {
            CHECK(e.code() == from_errno(ECONNREFUSED));
            what = e.what();
        }
        CHECK_THAT(what, Catch::Contains("127.0.0.1:" + port));
        if (test::no_unix_sockets()) co_return;
        const test::temporary_directory directory;
        const auto missing = co_await error_of(connect("unix:" + directory.file("missing")));
        CHECK(missing == from_errno(ENOENT));
        if (!test::has_abstract_names()) co_return;
        const auto abstract = co_await error_of(connect("unix:@bight-nobody-listens-here"));
        CHECK(abstract == from_errno(ECONNREFUSED));
    });
}

TEST_CASE("localhost is tried over IPv4 and then IPv6, and the error names both") {
    test::on_each_of(test::reactors_with_ipv6(), []() -> task<> {
        bight::listener v4 = bight::listen("tcp:0:interface=127.0.0.1");
        const std::string port4 = std::to_string(v4.local().port());
        const bight::stream first = co_await connect("tcp:localhost:" + port4);
        CHECK(first.peer().host() == "127.0.0.1");
        const bight::stream without_host = co_await connect("tcp:" + port4);
        CHECK(without_host.peer().host() == "127.0.0.1");
        bight::listener v6 = bight::listen("tcp6:0:interface=\\:\\:1");
        // The families have ports of their own, and the system may have given the same one twice.
        if (v6.local().port() == v4.local().port()) v6 = bight::listen("tcp6:0:interface=\\:\\:1");
        const std::string port6 = std::to_string(v6.local().port());
        const bight::stream second = co_await connect("tcp:localhost:" + port6);
        CHECK(second.peer().host() == "::1");
        const bight::stream third = co_await connect("tcp6:localhost:" + port6);
        CHECK(third.peer().host() == "::1");
        v4.close();
        std::string what;
        try {
            co_await connect("tcp:localhost:" + port4);
        } catch (const std::system_error& e) {
            CHECK(e.code() == from_errno(ECONNREFUSED));
            what = e.what();
        }
        CHECK_THAT(what, Catch::Contains("127.0.0.1:" + port4) && Catch::Contains("[::1]:" + port4));
    });
}

TEST_CASE("what connect(2) refuses at once is the same error everywhere") {
    test::on_each_of(test::reactors(), []() -> task<> {
        const auto no_port = co_await error_of(connect("tcp:127.0.0.1:0"));
        CHECK(no_port == from_errno(ECONNREFUSED));
        const auto multicast = co_await error_of(connect("tcp:224.0.0.1:80"));
        CHECK(multicast == from_errno(ENETUNREACH));
        const auto everybody = co_await error_of(connect("tcp:255.255.255.255:80"));
        CHECK(everybody == from_errno(ENETUNREACH));
    });
}

TEST_CASE("endpoints that cannot be connected to are refused") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        const auto bad = co_await error_of(connect("tcp:host:not-a-port"));
        CHECK(bad == errc::bad_endpoint);
        const auto family = co_await error_of(connect("tcp6:127.0.0.1:1"));
        CHECK(static_cast<bool>(family));
        const auto closed = co_await error_of(connect("fd:987654"));
#if defined(_WIN32)  // tells no descriptor that is closed from one that is no socket
        CHECK(closed == from_errno(ENOTSOCK));
#else
        CHECK(closed == from_errno(EBADF));
#endif
        const auto from = co_await error_of(connect("tcp:127.0.0.1:1:interface=192.0.2.1"));
        CHECK(from == from_errno(EADDRNOTAVAIL));
    });
}

TEST_CASE("a descriptor of datagrams, of packets, or of no socket is no stream, and is left as it was") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        const auto refused_with = [](int fd) -> task<std::error_code> {
            const int before = ::fcntl(fd, F_GETFL);
            const auto error = co_await error_of(connect("fd:" + std::to_string(fd)));
            CHECK(::fcntl(fd, F_GETFL) == before);
            co_return error;
        };
        for (const int type : {SOCK_DGRAM, SOCK_SEQPACKET}) {
            int ends[2];
            REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0);
            const test::raw_socket one(ends[0]);
            const test::raw_socket two(ends[1]);
            const auto error = co_await refused_with(one.get());
            CHECK(error == from_errno(EPROTOTYPE));
        }
        const test::raw_socket udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const auto datagrams = co_await refused_with(udp.get());
        CHECK(datagrams == from_errno(EPROTOTYPE));
        const test::raw_socket file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        const auto no_socket = co_await refused_with(file.get());
        CHECK(no_socket == from_errno(ENOTSOCK));
    });
}

TEST_CASE("a connection from a chosen address") {
    test::on_each_of(test::reactors(), []() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        bight::stream client = co_await connect(test::endpoint_to(l.local()) + ":interface=127.0.0.9");
        CHECK(client.local().host() == "127.0.0.9");
        const bight::stream server = co_await l.accept();
        CHECK(server.peer() == client.local());
    });
}

TEST_CASE("a Unix socket whose backlog is full is waited for, until the time-out") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    test::on_each_of(test::reactors(), []() -> task<> {
        const test::temporary_directory directory;
        bight::listener l = bight::listen("unix:" + directory.file("busy") + ":backlog=1");
        const std::string where = test::endpoint_to(l.local());
        std::vector<bight::stream> queued;
        for (int i = 0; i < 2; ++i) {  // as many as fit, and a backlog is one more than was asked for
            bight::stream s = co_await connect(where);
            queued.push_back(std::move(s));
        }
        std::string what;
        try {
            co_await connect(where + ":timeout=0.02");
        } catch (const std::system_error& e) {
            CHECK(e.code() == errc::timed_out);
            what = e.what();
        }
        CHECK_THAT(what, Catch::Contains("its backlog is full"));
        bool connected = false;
        auto client = [&]() -> task<> {
            const bight::stream s = co_await connect(where);
            connected = true;
        };
        auto server = [&]() -> task<> {
            co_await bight::sleep_for(std::chrono::milliseconds(20));
            CHECK(!connected);
            const bight::stream first = co_await l.accept();
            while (!connected) co_await bight::sleep_for(std::chrono::milliseconds(1));
        };
        co_await bight::when_all(client(), server());
    });
}

TEST_CASE("who waits for a place in the backlog of a Unix socket can be cancelled, and leaves nothing") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    test::on_each_of(test::reactors(), []() -> task<> {
        const test::temporary_directory directory;
        bight::listener l = bight::listen("unix:" + directory.file("busy") + ":backlog=1");
        const std::string where = test::endpoint_to(l.local());
        const bight::stream first = co_await connect(where);
        const bight::stream second = co_await connect(where);
        const auto before = bight::reactor::current()->statistics().live_descriptors;
        auto wait = [&]() -> task<> {
            const bight::stream s = co_await connect(where);
            FAIL_CHECK("connected");
        };
        for (const int milliseconds : {0, 1, 5}) {
            co_await bight::when_any(wait(), bight::sleep_for(std::chrono::milliseconds(milliseconds)));
        }
        CHECK(bight::reactor::current()->statistics().live_descriptors == before);
    });
}

TEST_CASE("a connection that gets no answer times out, by the options or the endpoint") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        const test::black_hole hole;
        bight::connect_options options;
        options.timeout = std::chrono::milliseconds(20);
        std::string what;
        try {
            co_await connect(hole.endpoint(), options);
        } catch (const std::system_error& e) {
            CHECK(e.code() == errc::timed_out);
            what = e.what();
        }
        CHECK_THAT(what, Catch::Contains(hole.endpoint()));
        const auto by_endpoint = co_await error_of(connect(hole.endpoint() + ":timeout=0.02"));
        CHECK(by_endpoint == errc::timed_out);
        const auto at_once = co_await error_of(connect(hole.endpoint() + ":timeout=0"));
        CHECK(at_once == errc::timed_out);
    });
}

TEST_CASE("cancelling a connection that is under way leaves nothing") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        const test::black_hole hole;
        const int before = test::open_descriptors();
        for (int i = 0; i < 5; ++i) {
            auto wait = [&]() -> task<> {
                const bight::stream s = co_await connect(hole.endpoint());
                FAIL_CHECK("connected");
            };
            auto turns = [&]() -> task<> {
                for (int turn = 0; turn < i; ++turn) co_await bight::yield();
            };
            co_await bight::when_any(wait(), turns());
        }
        co_await bight::yield();
        CHECK(test::open_descriptors() == before);
    });
}

TEST_CASE("a connected descriptor is adopted, and the original stays") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        const test::raw_socket one(ends[0]);
        const test::raw_socket two(ends[1]);
        for (int i = 0; i < 2; ++i) {
            bight::stream s = co_await connect("fd:" + std::to_string(one.get()));
            CHECK(s.native_handle() != one.get());
            two.send("hello");
            std::string five(5, '\0');
            co_await s.read_exactly(five);
            CHECK(five == "hello");
            if (i == 0) s.lower().leave();
            if (i == 0) break;
        }
    });
}

TEST_CASE("a blocking socket that is adopted stays so for its other owners, and holds up nobody") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        const test::raw_socket one(ends[0]);
        const test::raw_socket two(ends[1]);
        const std::string large = test::pattern(0, 2'000'000);
        std::string got;
        auto write = [&]() -> task<> {
            bight::stream s = co_await connect("fd:" + std::to_string(one.get()));
            const std::string_view all = large;
            co_await s.write(all.substr(0, 1'000'000), all.substr(1'000'000));
        };
        auto read = [&]() -> task<> {
            bight::stream s = co_await connect("fd:" + std::to_string(two.get()));
            got = co_await test::read_all(s);
        };
        co_await bight::when_all(write(), read());
        CHECK((got == large));
        CHECK(test::blocks_as(one.get(), true));
        CHECK(test::blocks_as(two.get(), true));
    });
}

TEST_CASE("connecting within when_any keeps the winner and drops the rest") {
    test::on_each_of(test::real_reactors(), []() -> task<> {
        const test::black_hole hole;
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        auto won = co_await bight::race(connect(hole.endpoint()), connect(test::endpoint_to(l.local())));
        CHECK(won.index() == 1);
    });
}
