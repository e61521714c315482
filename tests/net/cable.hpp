// Two network interfaces of a network of a test's own (own_network.hpp), and a cable between them.
#pragma once

#include "own_network.hpp"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace test {

/// A request to the kernel's table of interfaces and addresses (rtnetlink(7)).
template <class Head>
class netlink_request {
  public:
    netlink_request(unsigned short type, unsigned short flags, const Head& head) {
        bytes_.resize(NLMSG_LENGTH(sizeof(Head)));
        nlmsghdr* const at = header();
        at->nlmsg_type = type;
        at->nlmsg_flags = static_cast<unsigned short>(NLM_F_REQUEST | NLM_F_ACK | flags);
        std::memcpy(NLMSG_DATA(at), &head, sizeof head);
    }
    void add(unsigned short type, std::string_view value) {
        const std::size_t begin = open(type);
        bytes_ += value;
        close(begin);
    }
    /// What is added until close(begin) is within this attribute; `with` comes first there.
    std::size_t open(unsigned short type, std::string_view with = {}) {
        const std::size_t begin = bytes_.size();
        rtattr attribute{};
        attribute.rta_type = type;
        bytes_.append(reinterpret_cast<const char*>(&attribute), sizeof attribute);
        bytes_ += with;
        return begin;
    }
    void close(std::size_t begin) {
        const auto length = static_cast<unsigned short>(bytes_.size() - begin);
        std::memcpy(bytes_.data() + begin, &length, sizeof length);
        bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    }
    /// Whether the kernel has done it.
    bool send_by(int socket) {
        header()->nlmsg_len = static_cast<unsigned>(bytes_.size());
        if (::send(socket, bytes_.data(), bytes_.size(), 0) < 0) return false;
        alignas(nlmsghdr) char answer[4096];
        const ssize_t got = ::recv(socket, answer, sizeof answer, 0);
        if (got < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) return false;
        const auto* const said = reinterpret_cast<const nlmsghdr*>(answer);
        return said->nlmsg_type == NLMSG_ERROR && static_cast<const nlmsgerr*>(NLMSG_DATA(said))->error == 0;
    }

  private:
    nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_.data()); }
    std::string bytes_;
};

inline int netlink_socket(unsigned groups) {
    const int s = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    sockaddr_nl own{};
    own.nl_family = AF_NETLINK;
    own.nl_groups = groups;
    const timeval limit{10, 0};
    ::setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return s >= 0 && ::bind(s, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0 ? s : -1;
}

/// "one" and "two", each the other's end (veth(4)).
inline bool add_ends(int netlink) {
    const ifinfomsg any{};
    const std::string_view head(reinterpret_cast<const char*>(&any), sizeof any);
    netlink_request make(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, any);
    make.add(IFLA_IFNAME, std::string_view("one", 4));
    const std::size_t info = make.open(IFLA_LINKINFO);
    make.add(IFLA_INFO_KIND, "veth");
    const std::size_t data = make.open(IFLA_INFO_DATA);
    const std::size_t peer = make.open(VETH_INFO_PEER, head);
    make.add(IFLA_IFNAME, std::string_view("two", 4));
    make.close(peer);
    make.close(data);
    make.close(info);
    return make.send_by(netlink);
}

inline bool add_ipv6(int netlink, const char* interface, const char* ip) {
    ifaddrmsg to{};
    to.ifa_family = AF_INET6;
    to.ifa_prefixlen = 64;
    to.ifa_flags = IFA_F_NODAD;  // it can be used at once
    to.ifa_index = ::if_nametoindex(interface);
    in6_addr address{};
    ::inet_pton(AF_INET6, ip, &address);
    netlink_request add(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, to);
    add.add(IFA_ADDRESS, {reinterpret_cast<const char*>(&address), sizeof address});
    return add.send_by(netlink);
}

/// Whether a message about an interface says that it is up, and not only that nothing is known against it.
inline bool says_up(nlmsghdr* message) {
    constexpr unsigned char up = 6;  // IF_OPER_UP of linux/if.h, which does not go with <net/if.h>
    auto left = static_cast<int>(IFLA_PAYLOAD(message));
    auto* a = IFLA_RTA(static_cast<ifinfomsg*>(NLMSG_DATA(message)));
    for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type == IFLA_OPERSTATE) return *static_cast<const unsigned char*>(RTA_DATA(a)) == up;
    }
    return false;
}

/// Waits for what the kernel says of the interfaces, until both are up and connected.
inline bool await_running(int events) {
    bool one = false;
    bool two = false;
    while (!one || !two) {
        alignas(nlmsghdr) char memory[16384];
        ssize_t left = ::recv(events, memory, sizeof memory, 0);
        if (left < 0) return false;
        for (auto* m = reinterpret_cast<nlmsghdr*>(memory); NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
            if (m->nlmsg_type != RTM_NEWLINK) continue;
            const auto& about = *static_cast<const ifinfomsg*>(NLMSG_DATA(m));
            const auto index = static_cast<unsigned>(about.ifi_index);
            if (index == ::if_nametoindex("one")) one = says_up(m);
            if (index == ::if_nametoindex("two")) two = says_up(m);
        }
    }
    return true;
}

inline bool bring_up(const char* interface) {
    const int s = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq up{};
    std::strncpy(up.ifr_name, interface, sizeof up.ifr_name - 1);
    up.ifr_flags = IFF_UP;
    const bool done = s >= 0 && ::ioctl(s, SIOCSIFFLAGS, &up) == 0;
    ::close(s);
    return done;
}

/// The interfaces "one" (fd00:1::1, fd00:1::2) and "two" (fd00:2::1), with no address of any other kind:
/// what goes out of one comes in at the other. False where that is not allowed.
inline bool lay_cable() {
    const int changes = netlink_socket(0);
    const int events = netlink_socket(RTMGRP_LINK);
    const bool laid = changes >= 0 && events >= 0 &&
                      set_network("ipv6/conf/default/addr_gen_mode", "1") &&  // none of the link
                      add_ends(changes) && bring_up("one") && bring_up("two") && await_running(events) &&
                      add_ipv6(changes, "one", "fd00:1::1") && add_ipv6(changes, "one", "fd00:1::2") &&
                      add_ipv6(changes, "two", "fd00:2::1");
    ::close(changes);
    ::close(events);
    return laid;
}

}  // namespace test
