// Groups of IPv6, between two interfaces and a cable in a network of the test's own.
#include "cable.hpp"

#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"
#include "support/skip.hpp"

#include "datagrams.hpp"

#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>
#include <bight/net/fd_watch.hpp>

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

using bight::address;
using bight::datagram_socket;
using bight::multicast_group;
using bight::task;
using test::message;

namespace {

unsigned index_of(const char* interface) { return ::if_nametoindex(interface); }

std::string interface_named(unsigned index) {
    char name[IF_NAMESIZE];
    return ::if_indextoname(index, name) ? name : "no interface";
}

multicast_group group_on(const char* interface, const char* ip, const char* source = nullptr) {
    multicast_group g;
    g.group = address::from_ip(ip, 0);
    g.interface_index = interface ? index_of(interface) : 0;
    if (source) g.source = address::from_ip(source, 0);
    return g;
}

// A socket at a port that the others share.
datagram_socket ipv6_member_at(std::uint16_t port = 0) {
    bight::datagram_options sharing;
    sharing.share_address = true;
    return datagram_socket::bind("udp6:" + std::to_string(port), sharing);
}

datagram_socket ipv6_sender_through(const char* interface, const std::string& from = "fd00:1::1") {
    datagram_socket s = datagram_socket::bind("udp6:[" + from + "]:0");
    bight::multicast_options options;
    options.interface_index = index_of(interface);
    s.set_multicast(options);
    return s;
}

void set_loopback_and_hops(datagram_socket& of, bool loopback, int hops) {
    bight::multicast_options options;
    options.loopback = loopback;
    options.hops = hops;
    of.set_multicast(options);
}

// All that comes before "end", which comes last by the same way.
task<std::string> heard_until_end(datagram_socket& s) {
    std::string all;
    for (;;) {
        const std::string next = co_await test::text_at(s);
        if (next == "end") co_return "(" + all + ")";
        all += (all.empty() ? "" : ", ") + next;
    }
}

task<std::string> membership() {
    datagram_socket member = ipv6_member_at();
    datagram_socket stranger = ipv6_member_at(member.local().port());
    datagram_socket sender = ipv6_sender_through("one");
    const address all = address::from_ip("ff05::77", member.local().port());
    member.join(group_on("two", "ff05::77"));
    co_await sender.send_to(all, "hello");
    const message m = co_await test::receive(member);
    std::string said = m.text + " from " + m.about.from.host() + " to " + m.about.to.host() +
                       (m.about.to_many ? ", a group, on " : " on ") +
                       interface_named(m.about.interface_index);
    member.leave(group_on("two", "ff05::77"));
    co_await sender.send_to(all, "to nobody");
    member.join(group_on("two", "ff05::77"));
    co_await sender.send_to(all, "end");
    said += "; after it has left " + co_await heard_until_end(member);
    // What came for others is there already.
    stranger.join(group_on("two", "ff05::77"));
    co_await sender.send_to(all, "end");
    said += "; a stranger " + co_await heard_until_end(stranger);
    co_return said;
}

// One member, on both interfaces: which of them each came by says whether it has left this machine. (Linux
// looks at the interfaces of the machine's members, and not at those of a socket; and a datagram of no hops
// leaves it when nobody here is a member on its interface.)
task<std::string> loopback_and_hops() {
    datagram_socket member = ipv6_member_at();
    datagram_socket sender = ipv6_sender_through("one");
    const address all = address::from_ip("ff05::78", member.local().port());
    member.join(group_on("one", "ff05::78"));
    member.join(group_on("two", "ff05::78"));
    co_await sender.send_to(all, "unless told otherwise");
    set_loopback_and_hops(sender, false, 1);
    co_await sender.send_to(all, "without loopback");
    set_loopback_and_hops(sender, true, 0);
    co_await sender.send_to(all, "without hops");
    set_loopback_and_hops(sender, false, 1);
    co_await sender.send_to(all, "end");
    std::string heard;
    for (;;) {
        const message m = co_await test::receive(member);
        if (m.text == "end") co_return heard;
        heard += (heard.empty() ? "" : "; ") + m.text + ": " + interface_named(m.about.interface_index);
    }
}

// How many networks a datagram may still cross, as it comes: bight does not tell, so a plain socket asks.
task<std::string> hops_on_the_cable() {
    const int plain = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    ::setsockopt(plain, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on);
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    socklen_t size = sizeof any;
    ::bind(plain, reinterpret_cast<const sockaddr*>(&any), size);
    ::getsockname(plain, reinterpret_cast<sockaddr*>(&any), &size);
    ipv6_mreq group{};
    const address all = address::from_ip("ff05::79", ntohs(any.sin6_port));
    sockaddr_in6 native{};
    std::memcpy(&native, all.native(), sizeof native);
    group.ipv6mr_multiaddr = native.sin6_addr;
    group.ipv6mr_interface = index_of("two");
    ::setsockopt(plain, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group, sizeof group);
    datagram_socket sender = ipv6_sender_through("one");
    std::string said;
    for (const int hops : {-1, 7, 255}) {
        if (hops >= 0) set_loopback_and_hops(sender, false, hops);
        co_await sender.send_to(all, "x");
        co_await bight::fd_ready(plain, {.readable = true});
        char byte = 0;
        iovec piece{&byte, 1};
        alignas(cmsghdr) char control[64];
        msghdr m{};
        m.msg_iov = &piece;
        m.msg_iovlen = 1;
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        int told = -1;
        if (::recvmsg(plain, &m, 0) == 1 && CMSG_FIRSTHDR(&m)) {
            std::memcpy(&told, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof told);
        }
        said += (said.empty() ? "" : ", ") + std::to_string(told);
    }
    ::close(plain);
    co_return said;
}

task<std::string> sources() {
    datagram_socket member = ipv6_member_at();
    datagram_socket wanted = ipv6_sender_through("one", "fd00:1::1");
    datagram_socket unwanted = ipv6_sender_through("one", "fd00:1::2");
    const address all = address::from_ip("ff35::77", member.local().port());
    const multicast_group of_one = group_on("two", "ff35::77", "fd00:1::1");
    member.join(of_one);
    co_await unwanted.send_to(all, "unwanted");
    co_await wanted.send_to(all, "wanted");
    co_await wanted.send_to(all, "end");
    std::string said = "of one source " + co_await heard_until_end(member);
    member.join(group_on("two", "ff35::77", "fd00:1::2"));
    co_await unwanted.send_to(all, "of the other");
    member.leave(of_one);
    co_await wanted.send_to(all, "of the first");
    co_await unwanted.send_to(all, "end");
    said += ", then of another " + co_await heard_until_end(member);
    try {
        member.leave(of_one);
    } catch (const std::system_error& e) {
        said += e.code() == std::errc::address_not_available ? ", left" : std::string(", ") + e.what();
    }
    co_return said;
}

// An interface for each datagram, or for the socket; the system chooses that of a group joined without one.
task<std::string> interfaces() {
    datagram_socket at_one = ipv6_member_at();
    datagram_socket at_two = ipv6_member_at(at_one.local().port());
    datagram_socket any = ipv6_member_at(at_one.local().port());
    datagram_socket sender = ipv6_sender_through("one");
    set_loopback_and_hops(sender, false, 1);
    at_one.join(group_on("one", "ff05::7a"));
    at_two.join(group_on("two", "ff05::7b"));
    any.join(group_on(nullptr, "ff05::7c"));
    for (const char* group : {"ff05::7a", "ff05::7b", "ff05::7c"}) {
        for (const char* text : {"by the socket's", "by one", "by two", "end"}) {
            bight::outgoing_datagram d;
            d.to = address::from_ip(group, at_one.local().port());
            d.bytes = std::string_view(text);
            if (std::string_view(text).starts_with("by ")) {
                d.interface_index = text[3] == 'o' ? index_of("one") : text[4] == 'w' ? index_of("two") : 0;
                co_await sender.send(d);
                continue;
            }
            for (const char* interface : {"one", "two"}) {
                d.interface_index = index_of(interface);
                co_await sender.send(d);
            }
        }
    }
    std::string said = "one " + co_await heard_until_end(at_one);
    said += ", two " + co_await heard_until_end(at_two);
    const message m = co_await test::receive(any);
    const bool is_one = interface_named(m.about.interface_index) == "one";
    said += m.text == (is_one ? "by two" : "by the socket's") ? ", any is one of them" : ", any is none";
    co_return said;
}

void check_on_a_cable(task<std::string> (*body)(), const std::string& expected) {
    if (const auto& why = test::no_ipv6()) test::skip(*why);
    const auto said =
        test::in_own_network([] { return test::lay_cable(); }, [&] { return test::on_each_in_turn(body); });
    if (!said) test::skip("a network namespace, and interfaces in it, are not allowed here");
    CHECK(*said == test::each_says(expected));
}

}  // namespace

TEST_CASE("IPv6 groups: a member gets what comes over the cable until it leaves, and others get nothing") {
    check_on_a_cable(membership,
                     "hello from fd00:1::1 to ff05::77, a group, on two; after it has left (); a "
                     "stranger ()");
}

TEST_CASE(
    "IPv6 groups: loopback says whether this machine's members get it, and no hops that nobody else does") {
    check_on_a_cable(loopback_and_hops,
                     "unless told otherwise: one; unless told otherwise: two; without "
                     "loopback: two; without hops: one");
}

TEST_CASE("IPv6 groups: datagrams may cross one network, or as many as they are told") {
    check_on_a_cable(hops_on_the_cable, "1, 7, 255");
}

TEST_CASE("IPv6 groups: with a source only that one's datagrams come, over the cable, too") {
    check_on_a_cable(sources, "of one source (wanted), then of another (of the other), left");
}

TEST_CASE("IPv6 groups: each datagram, and each membership, has its interface") {
    check_on_a_cable(interfaces, "one (by two), two (by the socket's, by one), any is one of them");
}
