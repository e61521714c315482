// Options of sockets: set, read back, inherited, refused; and what they do on simulated hosts.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/each_reactor.hpp"
#include "support/reactors.hpp"
#include "support/skip.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <system_error>
#include <utility>

using namespace std::chrono_literals;
using bight::socket_options;
using bight::stream;
using bight::task;
using test::connected_pair;
using test::error_of;
using test::read_all;
namespace sim = bight::sim;

namespace {

socket_options many() {
    socket_options o;
    o.no_delay = false;
    o.keep_alive_idle = 60s;
    o.keep_alive_interval = 10s;
    o.keep_alive_count = 3;
    o.user_timeout = 20500ms;
    o.send_buffer = 20000;
    o.receive_buffer = 30000;
    o.dscp = 46;
    return o;
}

void check_many(const socket_options& now) {
    CHECK(now.keep_alive == true);
    CHECK(now.keep_alive_idle == bight::duration(60s));
    CHECK(now.keep_alive_interval == bight::duration(10s));
    CHECK(now.keep_alive_count == 3);
    CHECK(now.user_timeout == bight::duration(20500ms));
    CHECK(now.send_buffer.value_or(0) >= 20000);
    CHECK(now.receive_buffer.value_or(0) >= 30000);
    CHECK(now.dscp == 46);
}

std::string words_of(decltype(test::from_errno(0)) expected, const std::function<void()>& call) {
    try {
        call();
    } catch (const std::system_error& e) {
        CHECK(e.code() == expected);
        return e.what();
    }
    return "nothing was thrown";
}

}  // namespace

TEST_CASE("options are set before a connect, and read back; an endpoint's take precedence") {
    test::on_each_reactor([]() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        bight::connect_options options;
        options.socket = many();
        const std::string where = "tcp:127.0.0.1:" + std::to_string(l.local().port());
        const stream s = co_await bight::connect(where, options);
        check_many(s.options());
        CHECK(s.options().no_delay == false);
        const stream other = co_await bight::connect(where + ":keep_alive=90:dscp=0", options);
        CHECK(other.options().keep_alive_idle == bight::duration(90s));
        CHECK(other.options().dscp == 0);
        CHECK(other.options().keep_alive_count == 3);
    });
}

TEST_CASE("connections inherit the options of their listener") {
    test::on_each_reactor([]() -> task<> {
        bight::listen_options options;
        options.socket = many();
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1", options);
        const stream client = co_await bight::connect("tcp:127.0.0.1:" + std::to_string(l.local().port()));
        const stream server = co_await l.accept();
        check_many(server.options());
        CHECK(client.options().keep_alive == false);
        options.socket.reset_on_close = true;
        CHECK_THAT(words_of(test::from_errno(EINVAL), [&] { (void)bight::listen("tcp:0", options); }),
                   Catch::Contains("reset_on_close is for each connection"));
    });
}

TEST_CASE("a value out of its range is refused, with the option, the value and the socket") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        socket_options o;
        o.keep_alive_count = 200;
        CHECK_THAT(words_of(test::from_errno(EINVAL), [&] { pair.client.set_options(o); }),
                   Catch::Contains("set TCP_KEEPCNT to 200 of 127.0.0.1:") &&
                       Catch::Contains("and it must be 1 to 127"));
        o = {};
        o.keep_alive_idle = 0s;
        CHECK_THAT(words_of(test::from_errno(EINVAL), [&] { pair.client.set_options(o); }),
                   Catch::Contains("set TCP_KEEPIDLE to 0 s"));
        o = {};
        o.dscp = 64;
        CHECK_THAT(words_of(test::from_errno(EINVAL), [&] { pair.client.set_options(o); }),
                   Catch::Contains("the DSCP to 64"));
        o = {};
        o.keep_alive_idle = 32767s;
        o.keep_alive_interval = 1ms;  // rounded up
        pair.client.set_options(o);
        CHECK(pair.client.options().keep_alive_interval == bight::duration(1s));
    });
}

TEST_CASE("a Unix socket has the buffers, and refuses what it has not by name") {
    if (const auto& why = test::no_unix_sockets()) test::skip(*why);
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::unix_path);
        socket_options o;
        o.user_timeout = 1s;
        CHECK_THAT(words_of(test::from_errno(EOPNOTSUPP), [&] { pair.client.set_options(o); }),
                   Catch::Contains("set TCP_USER_TIMEOUT to 1000 ms of") &&
                       Catch::Contains("which is a Unix socket"));
        o = {};
        o.send_buffer = 20000;
        pair.client.set_options(o);
        CHECK(pair.client.options().send_buffer.value_or(0) >= 20000);
        CHECK_FALSE(pair.client.options().keep_alive.has_value());
    });
}

TEST_CASE("a connection can be bound to a port of this side") {
    test::on_each_reactor([]() -> task<> {
        std::uint16_t port = 0;
        {
            const bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
            port = l.local().port();
        }
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const std::string where = "tcp:127.0.0.1:" + std::to_string(l.local().port());
        for (const bool by_options : {false, true}) {
            bight::connect_options options;
            std::string to = where;
            if (by_options) {
                options.local = bight::address::from_ip("127.0.0.1", port);
            } else {
                to += ":local_port=" + std::to_string(port);
            }
            stream client = co_await bight::connect(to, options);
            stream server = co_await l.accept();
            CHECK(client.local().port() == port);
            CHECK(server.peer().port() == port);
            client.abort();  // no TIME-WAIT
            const auto gone = co_await bight::until_peer_gone(server);
            CHECK(gone == bight::peer_ending::failed);
        }
    });
}

TEST_CASE("a listener for both families is asked for, and shows IPv4 clients as mapped addresses") {
    if (const auto& why = test::no_ipv6()) test::skip(*why);
    test::on_each_reactor([]() -> task<> {
        bight::listener both = bight::listen("tcp6:0:dual_stack=yes");
        const std::string port = std::to_string(both.local().port());
        const stream client = co_await bight::connect("tcp:127.0.0.1:" + port);
        const stream server = co_await both.accept();
        CHECK(server.peer().host() == "::ffff:127.0.0.1");
        const stream six = co_await bight::connect("tcp:[::1]:" + port);
        const stream server_of_six = co_await both.accept();
        CHECK(server_of_six.peer().host() == "::1");
        // Without it the port is free for IPv4, unless another process has it.
        bight::listener other;
        for (int tries = 0; tries < 20 && !other; ++tries) {
            const bight::listener one = bight::listen("tcp6:0");
            try {
                other = bight::listen("tcp:127.0.0.1:" + std::to_string(one.local().port()));
            } catch (const std::system_error& e) {
                CHECK(e.code() == test::from_errno(EADDRINUSE));
            }
        }
        CHECK(other);
    });
}

TEST_CASE("a stream that is to reset when its process dies still ends gracefully when it is closed") {
    test::on_each_reactor([]() -> task<> {
        auto pair = co_await connected_pair(test::family::tcp);
        socket_options o;
        o.reset_on_close = true;
        pair.client.set_options(o);
        CHECK(pair.client.options().reset_on_close == true);
        const std::string text = test::pattern(0, 500'000);
        std::string got;
        auto writes = [&]() -> task<> {
            co_await pair.client.write(text);
            pair.client = {};
        };
        auto reads = [&]() -> task<> { got = co_await read_all(pair.server); };
        co_await bight::when_all(writes(), reads());
        CHECK(got == text);
    });
}

#if defined(_WIN32)

TEST_CASE("no socket is bound to a network interface where there is no such option, and the error names it") {
    for (const auto& kind : test::real_reactors()) {
        test::reactor_fixture on(kind);
        on.run([]() -> task<> {
            std::error_code code;
            std::string said;
            try {
                (void)co_await bight::connect("tcp:127.0.0.1:1:device=lo");
            } catch (const std::system_error& e) {
                code = e.code();
                said = e.what();
            }
            CHECK(code == std::errc::no_protocol_option);
            CHECK_THAT(said, Catch::Contains("set SO_BINDTODEVICE to \"lo\""));
        });
    }
}

#else

TEST_CASE("a socket is bound to a network interface, or the error names it") {
    for (const auto& kind : test::real_reactors()) {
        test::reactor_fixture on(kind);
        on.run([]() -> task<> {
            bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
            const std::string where = "tcp:127.0.0.1:" + std::to_string(l.local().port());
            const stream s = co_await bight::connect(where + ":device=lo");
            CHECK(s.options().device.text() == "lo");
            std::string said;
            try {
                (void)co_await bight::connect(where + ":device=nosuchdevice");
            } catch (const std::system_error& e) {
                said = e.what();
            }
            CHECK_THAT(said, Catch::Contains("set SO_BINDTODEVICE to \"nosuchdevice\""));
        });
    }
}

#endif

TEST_CASE("on a simulated host keep-alive and the user time-out end what is cut off, when Linux would") {
    struct attempt {
        const char* options;
        bool writes;
        bight::duration ends;
    };
    const attempt all[] = {
        {":keep_alive=60:keep_alive_interval=10:keep_alive_count=3", false, 90s},
        {":user_timeout=20", true, 20s},
        {":keep_alive=60:keep_alive_interval=10:user_timeout=75", false, 80s},
    };
    for (const attempt& a : all) {
        CAPTURE(a.options);
        sim::world w(1);
        auto& server = w.add("server");
        server.on_boot([] {
            return bight::serve("tcp:7000", [](stream peer) -> task<> { (void)co_await peer.read_some(); });
        });
        bight::duration took{};
        std::error_code error;
        auto& client = w.add("client");
        client.run([&]() -> task<> {
            co_await bight::sleep_for(1s);
            stream peer = co_await bight::connect("tcp:server:7000" + std::string(a.options));
            co_await bight::sleep_for(1s);
            w.cut(server, client);
            const auto before = bight::reactor::current()->now();
            if (a.writes) co_await peer.write("into the void");
            error = co_await error_of(peer.read_some());
            took = bight::reactor::current()->now() - before;
        });
        w.run();
        CHECK(error == test::from_errno(ETIMEDOUT));
        CHECK(took > a.ends - 2s);
        CHECK(took < a.ends + 1s);
    }
}
