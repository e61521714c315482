// What depends on how a network is set: each case has one of its own, in a child process.
#include "own_network.hpp"
#include "fake_names.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"
#include "support/skip.hpp"

#include <bight/bight.hpp>
#include <bight/net/dns_resolver.hpp>
#include <bight/net/resolver.hpp>

#include <dlfcn.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

using bight::connect;
using bight::task;
using test::each_says;
using test::error_of;
using test::from_errno;
using test::on_each_in_turn;
using namespace std::chrono_literals;

namespace {

// A name with two addresses of IPv6, and one of IPv4, at which first somebody listens, and then nobody.
task<std::string> reach_and_miss_dual_test() {
    const test::fake_name name("dual.test", {"2001:db8::7", "2001:db8::8", "127.0.0.1"});
    std::string outcome = "not reached, ";
    std::string port;
    {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        port = std::to_string(l.local().port());
        const bight::stream s = co_await connect("tcp:dual.test:" + port);
        if (s.peer() == l.local()) outcome = "reached, ";
    }
    try {
        co_await connect("tcp:dual.test:" + port + ":timeout=0.6");
    } catch (const std::system_error& e) {
        outcome += e.what();
    }
    for (auto at = outcome.find(port); at != std::string::npos; at = outcome.find(port)) {
        outcome.replace(at, port.size(), "P");
    }
    co_return outcome;
}

}  // namespace

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

TEST_CASE("where IPv6 is off, a server that is down at localhost refuses") {
    const auto said = test::in_own_network(
        [] {
            return test::set_network("ipv6/conf/all/disable_ipv6", "1") &&
                   test::set_network("ipv6/conf/lo/disable_ipv6", "1");
        },
        [] {
            return on_each_in_turn([]() -> task<std::string> {
                const auto error = co_await error_of(connect("tcp:localhost:9"));
                co_return error.message();
            });
        });
    if (!said) test::skip("a network namespace is not allowed here");
    CHECK(*said == each_says("Connection refused"));
}

TEST_CASE("a connection to a local port at which nobody listens does not meet itself") {
    constexpr const char* only_port = "40000";
    const auto said = test::in_own_network(
        [] {
            return test::set_network("ipv4/ip_local_port_range", std::string(only_port) + " " + only_port);
        },
        [] {
            return on_each_in_turn([]() -> task<std::string> {
                for (const char* ip : {"127.0.0.1", "0.0.0.0", "\\:\\:1"}) {
                    if (ip[0] == '\\' && test::no_ipv6()) continue;
                    for (int i = 0; i < 3; ++i) {  // nor does an attempt keep the port
                        const std::string where = "tcp:" + std::string(ip) + ":" + only_port;
                        const auto error = co_await error_of(connect(where));
                        if (error != from_errno(ECONNREFUSED)) co_return where + ": " + error.message();
                    }
                }
                const bight::listener l =
                    bight::listen(std::string("tcp:interface=127.0.0.1:port=") + only_port);
                co_return "refused, and the port is free";
            });
        });
    if (!said) test::skip("a network namespace is not allowed here");
    CHECK(*said == each_says("refused, and the port is free"));
}

TEST_CASE("where IPv6 is a black hole, a name is reached over IPv4, or the error tells of both") {
    if (const auto& why = test::no_ipv6()) test::skip(*why);
    const auto said = test::in_own_network([] { return test::lose_ipv6(); },
                                           [] { return on_each_in_turn(reach_and_miss_dual_test); });
    if (!said) test::skip("a network namespace, and routes in it, are not allowed here");
    CHECK(*said == each_says("reached, cannot connect to tcp:dual.test:P:timeout=0.6 ([2001:db8::7]:P: no "
                             "answer, 127.0.0.1:P: Connection refused, [2001:db8::8]:P: no answer): the "
                             "deadline passed"));
}

TEST_CASE("without a network, look-ups and connects say so at once") {
    const auto said = test::in_own_network(
        [] { return true; },
        [] {
            return on_each_in_turn([]() -> task<std::string> {
                std::string outcome;
                // DNS would be asked again after 5 s.
                const auto unknown =
                    co_await bight::try_with_timeout(error_of(connect("tcp:example.org:80")), 4s);
                outcome += unknown ? unknown->category().name() : "too late";
                const auto address = bight::address::from_ip("192.0.2.1", 0);
                const auto nameless =
                    co_await bight::try_with_timeout(error_of(bight::system_resolver().reverse(address)), 4s);
                outcome += std::string(", ") + (nameless ? nameless->category().name() : "too late");
                const auto error = co_await error_of(connect("tcp:192.0.2.1:80"));
                co_return outcome + ", " + error.message();
            });
        });
    if (!said) test::skip("a network namespace is not allowed here");
    CHECK(*said == each_says("getaddrinfo, getaddrinfo, Network is unreachable"));
}

TEST_CASE("without a network, a dns_resolver says so at once, of each server") {
    try {
        const bight::dns_resolver one{bight::dns_options()};
    } catch (const std::system_error& e) {
        test::skip(e.what());
    }
    const auto said =
        test::in_own_network([] { return true; },
                             [] {
                                 return on_each_in_turn([]() -> task<std::string> {
                                     bight::dns_options options;
                                     options.servers = {bight::address::from_ip("192.0.2.53", 0),
                                                        bight::address::from_ip("2001:db8::53", 0)};
                                     options.timeout = 1h;
                                     bight::dns_resolver names(options);
                                     bight::connect_options by_names;
                                     by_names.resolver = &names;
                                     by_names.timeout = 1h;
                                     try {
                                         co_await connect("tcp:name.test:80", by_names);
                                     } catch (const std::system_error& e) {
                                         if (e.code() == from_errno(ENETUNREACH)) co_return e.what();
                                     }
                                     co_return "no such error";
                                 });
                             });
    if (!said) test::skip("a network namespace is not allowed here");
    CHECK(*said ==
          each_says("cannot connect to tcp:name.test:80: look-up of name.test (192.0.2.53:53: Network is "
                    "unreachable, [2001:db8::53]:53: Network is unreachable): Network is unreachable"));
}

TEST_CASE("a name beyond ASCII is looked up as its IDNA form is, in whatever locale the program runs") {
    if (!::dlopen("libidn2.so.0", RTLD_NOW)) test::skip("the C library has no libidn2 here");
    const auto said = test::in_own_network(
        [] { return true; },
        [] {
            return on_each_in_turn([]() -> task<std::string> {
                const auto ascii = co_await error_of(bight::system_resolver().resolve("xn--bcher-kva.test"));
                const auto same =
                    co_await error_of(bight::system_resolver().resolve("b\xc3\xbc"
                                                                       "cher.test"));
                const auto none = co_await error_of(bight::system_resolver().resolve("\xe2\x80\x8b.test"));
                co_return std::string(same == ascii ? "the same" : same.message()) +
                    (none == ascii ? ", as what has none" : ", but what has none");
            });
        });
    if (!said) test::skip("a network namespace is not allowed here");
    CHECK(*said == each_says("the same, but what has none"));
}
