// What depends on how a network is set: each case has one of its own, in a child process.
#include "own_network.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"
#include "support/skip.hpp"

#include <bight/bight.hpp>

#include <string>
#include <vector>

using bight::connect;
using bight::task;
using test::error_of;
using test::from_errno;

namespace {

// The same on each demultiplexer, one line each.
template <class F>
std::string on_each_in_turn(F body) {
    std::string said;
    for (const auto kind : test::demultiplexers()) {
        bight::reactor_options options;
        options.demultiplexer = kind;
        bight::reactor r(options);
        said += std::string(test::name_of(kind)) + ": " + r.run(body()) + "\n";
    }
    return said;
}

std::string each_says(const std::string& line) {
    std::string said;
    for (const auto kind : test::demultiplexers())
        said += std::string(test::name_of(kind)) + ": " + line + "\n";
    return said;
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
