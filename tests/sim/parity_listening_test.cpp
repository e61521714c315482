// How connections come to be, or do not, the same on every demultiplexer and in a simulated world.
#include "parity.hpp"

#include "support/catch.hpp"
#include "support/places.hpp"

#include <bight/bight.hpp>

#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using bight::errc;
using bight::listener;
using bight::stream;
using bight::task;
using test::error_of;
using test::from_errno;
using test::place_fixture;
using test::read_all;
using test::reset_error;
using test::rest;

namespace {

std::error_code listen_error(const std::string& where) {
    try {
        const listener l = bight::listen(where);
        return {};
    } catch (const std::system_error& e) {
        return e.code();
    }
}

bool is_file(test::family f) { return f == test::family::unix_path; }

// A kernel's name for an endpoint that is there already.
std::string same_as(const listener& l, const std::string& options = {}) {
    const bight::address at = l.local();
    using family = bight::address::family_type;
    if (at.family() == family::unix_domain) return test::endpoint_to(at);
    return std::string(at.family() == family::ipv6 ? "tcp6:" : "tcp:") + std::to_string(at.port()) +
           ":interface=" + test::escaped(at.host()) + options;
}

}  // namespace

TEST_CASE("where nobody listens, a connection is refused; a Unix socket whose file is missing is not found") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string where;
    on.run(
        [&]() -> task<> {
            listener l = bight::listen(on.new_endpoint());
            const std::string then = test::endpoint_to(l.local());
            l.close();
            where = then;
            co_return;
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            const auto error = co_await error_of(bight::connect(where));
            CHECK(error == from_errno(is_file(on.at().family) ? ENOENT : ECONNREFUSED));
        });
}

TEST_CASE("a full backlog: one more than asked for waits, and who comes then tries until its time-out") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string where;
    bool done = false;
    int accepted = 0;
    on.run(
        [&]() -> task<> {
            bight::listen_options options;
            options.backlog = 1;
            listener l = bight::listen(on.new_endpoint(), options);
            where = test::endpoint_to(l.local());
            co_await on.until([&] { return done; });
            for (;;) {
                auto next = co_await bight::try_with_timeout(l.accept(), on.moment());
                if (!next) break;
                ++accepted;
            }
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            const stream first = co_await bight::connect(where);
            const stream second = co_await bight::connect(where);
            bight::connect_options options;
            options.timeout = 20ms;
            const auto third = co_await error_of(bight::connect(where, options));
            CHECK(third == errc::timed_out);
            done = true;
            co_await on.settle();
        });
    CHECK(accepted == 2);
}

TEST_CASE("connections that wait when their listener closes are reset") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string where;
    bool connected = false;
    on.run(
        [&]() -> task<> {
            listener l = bight::listen(on.new_endpoint());
            where = test::endpoint_to(l.local());
            co_await on.until([&] { return connected; });
            co_await on.settle();
            l.close();
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            stream peer = co_await bight::connect(where);
            co_await peer.write("hello");
            connected = true;
            const std::string got = co_await rest(peer);
            CHECK(got == ", " + reset_error);
            const auto write = co_await error_of(peer.write("x"));
            CHECK(write == from_errno(ECONNRESET));
        });
}

TEST_CASE("a second listener at the same place is refused, and the place is free again after close") {
    place_fixture on(GENERATE(from_range(test::as_on_linux(test::places()))));
    on.run([&]() -> task<> {
        listener l = bight::listen(on.new_endpoint());
        const std::string same = same_as(l);
        CHECK(listen_error(same) == from_errno(EADDRINUSE));
        if (on.is_tcp()) {
            CHECK(listen_error(same + ":reuse_port=yes") == from_errno(EADDRINUSE));
            const bool v6 = on.at().family == test::family::tcp6;
            const std::string everywhere = v6 ? "tcp6:" : "tcp:";
            CHECK(listen_error(everywhere + std::to_string(l.local().port())) == from_errno(EADDRINUSE));
        }
        l.close();
        CHECK(listen_error(same) == std::error_code());
        co_return;
    });
}

TEST_CASE("a place can be listened at again while connections of before are open") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string where;
    int closed = 0;
    on.run(
        [&]() -> task<> {
            listener l = bight::listen(on.new_endpoint());
            const std::string same = same_as(l);
            where = test::endpoint_to(l.local());
            stream peer = co_await l.accept();
            l.close();
            CHECK(listen_error(same) == std::error_code());
            co_await peer.write("still here");
            co_await peer.close();
            ++closed;
            CHECK(listen_error(same) == std::error_code());
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            stream peer = co_await bight::connect(where);
            co_await on.until([&] { return closed > 0; });
            const std::string got = co_await rest(peer);
            CHECK(got == "still here, end");
        });
}

TEST_CASE("port 0 gives different ports, and listeners that all say so share one") {
    place_fixture on(GENERATE(from_range(test::as_on_linux(test::tcp_places()))));
    on.run([&]() -> task<> {
        const listener a = bight::listen(on.new_endpoint());
        const listener b = bight::listen(on.new_endpoint());
        CHECK(a.local().port() != 0);
        CHECK(a.local().port() != b.local().port());
        const std::string first = on.new_endpoint() + ":reuse_port=yes";
        const listener c = bight::listen(first);
        const listener d = bight::listen(same_as(c, ":reuse_port=yes"));
        CHECK(c.local() == d.local());
        CHECK(listen_error(same_as(c)) == from_errno(EADDRINUSE));
        co_return;
    });
}

TEST_CASE("an address of another host cannot be listened at, nor connected from") {
    place_fixture on(GENERATE(from_range(test::tcp_places())));
    const bool v6 = on.at().family == test::family::tcp6;
    const std::string elsewhere = v6 ? "2001\\:db8\\:\\:1" : "192.0.2.1";
    on.run([&]() -> task<> {
        CHECK(listen_error((v6 ? "tcp6:0:interface=" : "tcp:0:interface=") + elsewhere) ==
              from_errno(EADDRNOTAVAIL));
        const listener l = bight::listen(on.new_endpoint());
        const auto error =
            co_await error_of(bight::connect(test::endpoint_to(l.local()) + ":interface=" + elsewhere));
        CHECK(error == from_errno(EADDRNOTAVAIL));
    });
}

TEST_CASE("the addresses of connections within a host") {
    place_fixture on(GENERATE(from_range(test::places_of({test::family::tcp}))));
    on.run([&]() -> task<> {
        listener l = bight::listen("tcp:0");
        CHECK(l.local().host() == "0.0.0.0");
        const std::string port = std::to_string(l.local().port());
        std::vector<std::string> seen;
        for (const std::string& where :
             {"tcp:127.0.0.1:" + port, "tcp:127.0.0.5:" + port, "tcp:0.0.0.0:" + port,
              "tcp:localhost:" + port, "tcp:" + port, "tcp:127.0.0.1:" + port + ":interface=127.0.0.9"}) {
            const stream client = co_await bight::connect(where);
            const stream server = co_await l.accept();
            CHECK(server.peer() == client.local());
            CHECK(client.local().port() != 0);
            seen.push_back(client.local().host() + " to " + server.local().host());
        }
        CHECK(seen == std::vector<std::string>{"127.0.0.1 to 127.0.0.1", "127.0.0.1 to 127.0.0.5",
                                               "127.0.0.1 to 127.0.0.1", "127.0.0.1 to 127.0.0.1",
                                               "127.0.0.1 to 127.0.0.1", "127.0.0.9 to 127.0.0.1"});
    });
}

TEST_CASE("localhost is tried over IPv4, then over IPv6") {
    place_fixture on(GENERATE(from_range(test::places_of({test::family::tcp6}))));
    on.run([&]() -> task<> {
        listener l = bight::listen("tcp6:0:interface=\\:\\:1");
        const std::string port = std::to_string(l.local().port());
        const stream client = co_await bight::connect("tcp:localhost:" + port);
        CHECK(client.peer().host() == "::1");
        const stream server = co_await l.accept();
        CHECK(server.peer() == client.local());
        const auto only_4 = co_await error_of(bight::connect("tcp:127.0.0.1:" + port));
        CHECK(only_4 == from_errno(ECONNREFUSED));
    });
}

TEST_CASE("an unknown name is an error of the resolver") {
    place_fixture on(GENERATE(from_range(test::places_of({test::family::tcp}))));
    on.run([&]() -> task<> {
        const auto error = co_await error_of(bight::connect("tcp:no-such-host.invalid:80"));
        CHECK(std::string(error.category().name()) == "getaddrinfo");
    });
}

TEST_CASE("a connection that was reset before it is accepted is accepted, without a peer's address") {
    place_fixture on(GENERATE(from_range(test::as_on_linux(test::tcp_places()))));
    std::string where;
    bool aborted = false;
    on.run(
        [&]() -> task<> {
            listener l = bight::listen(on.new_endpoint());
            where = test::endpoint_to(l.local());
            co_await on.until([&] { return aborted; });
            co_await on.settle();
            if (on.at().as == bight::sim::personality::kqueue) {  // as on macOS and the BSDs
                const auto none = co_await bight::try_with_timeout(l.accept(), on.moment());
                CHECK_FALSE(none.has_value());
                co_return;
            }
            stream peer = co_await l.accept();
            const std::string got = co_await rest(peer);
            CHECK(got == "words, " + reset_error);
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            stream peer = co_await bight::connect(where);
            co_await peer.write("words");
            co_await on.settle();
            peer.abort();
            aborted = true;
        });
}

TEST_CASE("connections are accepted in the order in which they came") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string where;
    std::vector<std::string> order;
    bool all = false;
    on.run(
        [&]() -> task<> {
            listener l = bight::listen(on.new_endpoint());
            where = test::endpoint_to(l.local());
            co_await on.until([&] { return all; });
            for (int i = 0; i < 5; ++i) {
                stream peer = co_await l.accept();
                order.push_back(co_await read_all(peer));
            }
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            for (int i = 0; i < 5; ++i) {
                stream peer = co_await bight::connect(where);
                co_await peer.write(std::to_string(i));
                co_await peer.close();
            }
            all = true;
        });
    CHECK(order == std::vector<std::string>{"0", "1", "2", "3", "4"});
}

TEST_CASE("one task accepts at a time; closing ends it; a cancelled accept loses no connection") {
    place_fixture on(GENERATE(from_range(test::places())));
    std::string where;
    std::string got;
    on.run(
        [&]() -> task<> {
            listener l = bight::listen(on.new_endpoint());
            bool early = false;
            {
                auto none = co_await bight::try_with_timeout(l.accept(), 5ms);
                early = bool(none);
            }
            CHECK_FALSE(early);
            where = test::endpoint_to(l.local());
            for (;;) {  // given up and tried again while the connection comes
                auto maybe = co_await bight::try_with_timeout(l.accept(), 1ms);
                if (!maybe) continue;
                got = co_await read_all(*maybe);
                break;
            }
            auto first = [&]() -> task<> {
                const auto error = co_await error_of(l.accept());
                CHECK(error == errc::closed);
            };
            auto others = [&]() -> task<> {
                const auto second = co_await error_of(l.accept());
                CHECK(second == errc::busy);
                l.close();
            };
            co_await bight::when_all(first(), others());
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            stream peer = co_await bight::connect(where);
            co_await peer.write("hello");
        });
    CHECK(got == "hello");
}

TEST_CASE("a connect that is given up leaves nothing, and the next one comes through") {
    place_fixture on(GENERATE(from_range(test::tcp_places())));
    std::string where;
    bool done = false;
    on.run(
        [&]() -> task<> {
            bight::listen_options options;
            options.backlog = 1;
            listener l = bight::listen(on.new_endpoint(), options);
            where = test::endpoint_to(l.local());
            co_await on.until([&] { return done; });
            for (int i = 0; i < 3; ++i) const stream accepted = co_await l.accept();
        },
        [&]() -> task<> {
            co_await on.until([&] { return !where.empty(); });
            const stream first = co_await bight::connect(where);
            const stream second = co_await bight::connect(where);
            for (int i = 0; i < 3; ++i) {
                const auto gave_up = co_await bight::try_with_timeout(bight::connect(where), 10ms);
                CHECK_FALSE(gave_up.has_value());
            }
            done = true;
            const stream third = co_await bight::connect(where);
            co_await on.settle();
        });
}

TEST_CASE(
    "a Unix socket's file: replaced when nobody listens, kept when somebody does, gone with its listener") {
    place_fixture on(GENERATE(from_range(test::places_of({test::family::unix_path}))));
    on.run([&]() -> task<> {
        const std::string where = on.new_endpoint() + ":mode=600";
        listener l = bight::listen(where);
        CHECK(listen_error(where) == from_errno(EADDRINUSE));
        // Whether it is alive is tried out: that is a connection which ends at once.
        stream probe = co_await l.accept();
        const std::string nothing = co_await rest(probe);
        CHECK(nothing == ", end");
        const stream client = co_await bight::connect(test::endpoint_to(l.local()));
        const std::string file = test::endpoint_to(l.local());
        l.close();
        const auto missing = co_await error_of(bight::connect(file));
        CHECK(missing == from_errno(ENOENT));
        CHECK(listen_error(where) == std::error_code());
    });
}

TEST_CASE("abstract names are taken, free again, and refused when nobody listens") {
    test::need_abstract_names();
    place_fixture on(GENERATE(from_range(test::places_of({test::family::unix_abstract}))));
    on.run([&]() -> task<> {
        const std::string where = on.new_endpoint();
        listener l = bight::listen(where);
        CHECK(listen_error(where) == from_errno(EADDRINUSE));
        CHECK(l.local().path() == where.substr(5));
        l.close();
        const auto refused = co_await error_of(bight::connect(where));
        CHECK(refused == from_errno(ECONNREFUSED));
        CHECK(listen_error(where) == std::error_code());
        co_return;
    });
}
