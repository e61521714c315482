// Groups, on the loopback interface. Those between hosts are in sim/datagram_groups.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include "datagrams.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>

#ifndef _WIN32
#include <netinet/in.h>
#include <sys/socket.h>
#endif

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>

using bight::address;
using bight::datagram_socket;
using bight::multicast_group;
using bight::task;
using test::message;
using test::on_each_reactor_and_personality;
using test::receive;
using test::text_at;
using test::udp_at_loopback;
using namespace std::chrono_literals;

namespace {

// The loopback interface, on Linux and in the simulation.
constexpr unsigned loopback = 1;

multicast_group group_at(const char* ip, unsigned interface_index = loopback) {
    multicast_group g;
    g.group = address::from_ip(ip, 0);
    g.interface_index = interface_index;
    return g;
}

template <class F>
std::error_code thrown_by(F call) {
    try {
        call();
    } catch (const std::system_error& e) {
        return e.code();
    }
    return {};
}

// A socket at a port that others may have, too.
datagram_socket member_at(std::uint16_t port = 0) {
    bight::datagram_options sharing;
    sharing.share_address = true;
    return datagram_socket::bind("udp:" + std::to_string(port), sharing);
}

datagram_socket sender_to_groups() {
    datagram_socket s = datagram_socket::bind("udp:0:interface=127.0.0.1");
    bight::multicast_options options;
    options.interface_index = loopback;
    s.set_multicast(options);
    return s;
}

// A datagram to the port itself, after which nothing else can come on the loopback interface.
task<std::string> next_after(datagram_socket& s, datagram_socket& by) {
    co_await bight::sleep_for(10ms);  // in the simulation each takes a while
    co_await by.send_to(address::from_ip("127.0.0.1", s.local().port()), "no more");
    co_return co_await text_at(s);
}

}  // namespace

TEST_CASE("each member of a group gets what is sent there, until it leaves") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket one = member_at();
        const std::uint16_t port = one.local().port();
        datagram_socket two = member_at(port);
        datagram_socket stranger = datagram_socket::bind("udp:0");
        datagram_socket sender = sender_to_groups();
        const address group = address::from_ip("239.1.2.3", port);
        one.join(group_at("239.1.2.3"));
        two.join(group_at("239.1.2.3"));
        co_await sender.send_to(group, "to all");
        for (datagram_socket* s : {&one, &two}) {
            const message m = co_await receive(*s);
            CHECK(m.text == "to all");
            CHECK(m.about.from == sender.local());
            CHECK(m.about.to == group);
            CHECK(m.about.to_many);
            CHECK(m.about.interface_index == loopback);
        }
        two.leave(group_at("239.1.2.3"));
        two.close();
        co_await sender.send_to(group, "to who is left");
        const std::string left = co_await text_at(one);
        CHECK(left == "to who is left");
        one.leave(group_at("239.1.2.3"));
        co_await sender.send_to(group, "to nobody");
        const std::string last = co_await next_after(one, sender);
        CHECK(last == "no more");
    });
}

TEST_CASE("a socket gets nothing of a group that only another socket has joined") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket member = member_at();
        datagram_socket other = member_at(member.local().port());
        datagram_socket sender = sender_to_groups();
        member.join(group_at("239.1.2.4"));
        co_await sender.send_to(address::from_ip("239.1.2.4", member.local().port()), "to members");
        const std::string got = co_await text_at(member);
        CHECK(got == "to members");
        member.close();
        const std::string none = co_await next_after(other, sender);
        CHECK(none == "no more");
    });
}

TEST_CASE("of a group with a source only that one's datagrams come") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket member = member_at();
        datagram_socket wanted = sender_to_groups();
        datagram_socket unwanted = datagram_socket::bind("udp:0:interface=127.0.0.2");
        bight::multicast_options options;
        options.interface_index = loopback;
        unwanted.set_multicast(options);
        multicast_group g = group_at("232.1.2.5");
        g.source = address::from_ip("127.0.0.1", 0);
        member.join(g);
        const address group = address::from_ip("232.1.2.5", member.local().port());
        co_await unwanted.send_to(group, "unwanted");
        co_await wanted.send_to(group, "wanted");
        const std::string got = co_await text_at(member);
        CHECK(got == "wanted");
        member.leave(g);
        co_await wanted.send_to(group, "too late");
        const std::string none = co_await next_after(member, wanted);
        CHECK(none == "no more");
    });
}

TEST_CASE("what cannot be joined, left or set is an error, and the socket goes on") {
    on_each_reactor_and_personality([]() -> task<> {
        datagram_socket s = member_at();
        s.join(group_at("239.1.2.7"));
        CHECK(thrown_by([&] { s.join(group_at("239.1.2.7")); }) == std::errc::address_in_use);
        CHECK(thrown_by([&] { s.leave(group_at("239.1.2.8")); }) == std::errc::address_not_available);
        CHECK(thrown_by([&] { s.join(group_at("127.0.0.1")); }) == std::errc::invalid_argument);
        CHECK(thrown_by([&] { s.join(group_at("ff02::1234")); }) == std::errc::address_family_not_supported);
        CHECK(thrown_by([&] { s.join(group_at("239.1.2.9", 12'345)); }) == std::errc::no_such_device);
        bight::multicast_options options;
        options.hops = 256;
        CHECK(thrown_by([&] { s.set_multicast(options); }) == std::errc::invalid_argument);
        options = {};
        options.interface_index = 12'345;
        CHECK(thrown_by([&] { s.set_multicast(options); }));
        datagram_socket empty;
        CHECK(thrown_by([&] { empty.join(group_at("239.1.2.7")); }) == std::errc::bad_file_descriptor);
        co_await s.send_to(address::from_ip("127.0.0.1", s.local().port()), "goes on");
        const std::string text = co_await text_at(s);
        CHECK(text == "goes on");
    });
}

#ifndef _WIN32

namespace {

/// A number that the socket has, which some systems keep as a byte.
int option_of(const datagram_socket& s, int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(s.native_handle(), level, name, &value, &size) != 0) return -1;
    return size == 1 ? static_cast<int>(*reinterpret_cast<const unsigned char*>(&value)) : value;
}

}  // namespace

TEST_CASE("hops, loopback and the interface are those of the socket, over IPv6, too") {
    const auto kind = GENERATE(from_range(test::demultiplexers()));
    CAPTURE(kind);
    test::reactor_fixture on(kind);
    on.run([]() -> task<> {
        for (const bool ipv6 : {false, true}) {
            CAPTURE(ipv6);
            if (ipv6 && test::no_ipv6()) continue;
            datagram_socket s = datagram_socket::bind(ipv6 ? "udp6:0" : "udp:0");
            const int level = ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
            const int hops = ipv6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL;
            const int loop = ipv6 ? IPV6_MULTICAST_LOOP : IP_MULTICAST_LOOP;
            for (const bool loops : {false, true}) {
                bight::multicast_options options;
                options.hops = loops ? 255 : 0;
                options.loopback = loops;
                options.interface_index = loopback;
                s.set_multicast(options);
                CHECK(option_of(s, level, hops) == *options.hops);
                CHECK(option_of(s, level, loop) == (loops ? 1 : 0));
            }
            // What is not set stays as it is.
            s.set_multicast({});
            CHECK(option_of(s, level, hops) == 255);
            if (ipv6) CHECK(option_of(s, level, IPV6_MULTICAST_IF) == static_cast<int>(loopback));
            multicast_group g = group_at(ipv6 ? "ff02::1234" : "239.1.2.10");
            s.join(g);
            CHECK(thrown_by([&] { s.join(g); }) == std::errc::address_in_use);
            s.leave(g);
            CHECK(thrown_by([&] { s.leave(g); }) == std::errc::address_not_available);
        }
        co_return;
    });
}

#endif
