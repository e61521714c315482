// The order in which the addresses of a name are tried.
#include "net/destination_order.hpp"

#include "support/catch.hpp"
#include "support/each_reactor.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <vector>

using bight::address;
using bight::task;

namespace {

struct choice {
    const char* destination;
    const char* source;  // "": there is no way
};

/// The order of these, in words.
std::string order_of(const std::vector<choice>& choices) {
    std::map<std::string, address> sources;
    std::vector<address> found;
    for (const choice& c : choices) {
        found.push_back(address::from_ip(c.destination, 0));
        sources[found.back().host()] = *c.source ? address::from_ip(c.source, 0) : address();
    }
    bight::detail::put_in_order(found, [&](const address& to) { return sources.at(to.host()); });
    std::string words;
    for (const address& a : found) words += (words.empty() ? "" : " ") + a.host();
    return words;
}

}  // namespace

TEST_CASE("destinations: the examples of RFC 6724, 10.2, in either order") {
    const struct {
        choice first;
        choice second;
    } examples[] = {
        // matching scope
        {{"2001:db8:1::1", "2001:db8:1::2"}, {"198.51.100.121", "169.254.13.78"}},
        {{"198.51.100.121", "198.51.100.117"}, {"2001:db8:1::1", "fe80::1"}},
        // higher precedence
        {{"2001:db8:1::1", "2001:db8:1::2"}, {"10.1.2.3", "10.1.2.4"}},
        {{"2001:db8:1::1", "2001:db8:1::2"}, {"2002:c633:6401::1", "2002:c633:6401::2"}},
        // smaller scope
        {{"fe80::1", "fe80::2"}, {"2001:db8:1::1", "2001:db8:1::2"}},
        // longest common prefix
        {{"2001:db8:1::1", "2001:db8:1::2"}, {"2001:db8:3ffe::1", "2001:db8:3f44::2"}},
        // matching label
        {{"2002:c633:6401::1", "2002:c633:6401::2"}, {"2001:db8:1::1", "2002:c633:6401::2"}},
    };
    for (const auto& e : examples) {
        const std::string expected = std::string(e.first.destination) + " " + e.second.destination;
        CHECK(order_of({e.first, e.second}) == expected);
        CHECK(order_of({e.second, e.first}) == expected);
    }
}

TEST_CASE("destinations: those without a way come last, and where nothing decides the order stays") {
    CHECK(order_of({{"2001:db8::1", ""}, {"192.0.2.1", "192.0.2.9"}}) == "192.0.2.1 2001:db8::1");
    CHECK(order_of({{"192.0.2.1", ""}, {"fe80::1", ""}, {"2001:db8::1", ""}}) ==
          "fe80::1 2001:db8::1 192.0.2.1");
    // The prefix is that of the network, and of IPv4 it does not count.
    CHECK(order_of({{"2001:db8::9", "2001:db8::2"}, {"2001:db8::3", "2001:db8::2"}}) ==
          "2001:db8::9 2001:db8::3");
    CHECK(order_of({{"203.0.113.1", "192.0.2.9"}, {"192.0.2.8", "192.0.2.9"}}) == "203.0.113.1 192.0.2.8");
    CHECK(order_of({{"192.0.2.1", "192.0.2.9"}, {"127.0.0.1", "127.0.0.1"}, {"::1", "::1"}}) ==
          "::1 127.0.0.1 192.0.2.1");
    // Unique local addresses, Teredo and what has gone out of use come behind the others.
    CHECK(order_of({{"fc00::1", "fc00::2"},
                    {"2001::1", "2001::2"},
                    {"3ffe::1", "3ffe::2"},
                    {"fec0::1", "fec0::2"},
                    {"::192.0.2.1", "::192.0.2.2"},
                    {"192.0.2.1", "192.0.2.2"}}) == "192.0.2.1 2001::1 fc00::1 fec0::1 3ffe::1 ::192.0.2.1");
    CHECK(order_of({}).empty());
    CHECK(order_of({{"192.0.2.1", ""}}) == "192.0.2.1");
}

TEST_CASE("destinations: the system is asked of some of each family, and the others stay behind them") {
    std::vector<address> found;
    for (int i = 0; i < 30; ++i) found.push_back(address::from_ip("2001:db8::" + std::to_string(i + 1), 0));
    for (int i = 0; i < 12; ++i) found.push_back(address::from_ip("192.0.2." + std::to_string(i + 1), 0));
    const std::vector<address> before = found;
    std::size_t asked = 0;
    bight::detail::put_in_order(found, [&](const address& to) {
        ++asked;
        return to.family() == address::family_type::ipv4 ? address::from_ip("192.0.2.99", 0) : address();
    });
    CHECK(asked == 2 * bight::detail::most_to_order);
    std::vector<address> expected;
    const auto add = [&](std::ptrdiff_t from, std::ptrdiff_t to) {
        expected.insert(expected.end(), before.begin() + from, before.begin() + to);
    };
    add(30, 40);
    add(0, 10);
    add(10, 30);
    add(40, 42);
    CHECK(found == expected);
}

TEST_CASE("destinations: the system says from where it would send, and sends nothing") {
    test::on_each_reactor([]() -> task<> {
        const address own = bight::detail::source_here(address::from_ip("127.0.0.1", 0));
        CHECK(own.host() == "127.0.0.1");
        std::vector<address> both{address::from_ip("192.0.2.1", 0), address::from_ip("127.0.0.1", 0)};
        bight::detail::put_in_order(both);
        CHECK(both[0].host() == "127.0.0.1");
        co_return;
    });
    bight::sim::world w(1);
    auto& host = w.add("host");
    host.run([&]() -> task<> {
        CHECK(bight::detail::source_here(address::from_ip("192.0.2.1", 0)).host() == host.ip());
        CHECK_FALSE(bight::detail::source_here(address::from_ip("2001:db8::1", 0)));
        CHECK(host.sockets() == 0);
        co_return;
    });
    w.run();
    CHECK(w.elapsed() == bight::duration::zero());
}
