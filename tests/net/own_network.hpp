// A network of a test's own: a child process in namespaces, with nothing but a loopback.
#pragma once

#include "support/child.hpp"
#include "support/reactors.hpp"

#include <bight/core/reactor.hpp>

#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <exception>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

namespace test {

/// Sets a value of the network (below /proc/sys/net). False where that is not allowed.
inline bool set_network(const std::string& name, const std::string& value) {
    std::ofstream file("/proc/sys/net/" + name);
    file << value << std::flush;
    return file.good();
}

inline bool enter_own_network() {
    if (::unshare(::geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWNET | CLONE_NEWUSER) != 0) return false;
    const int s = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq loopback{};
    std::strcpy(loopback.ifr_name, "lo");
    loopback.ifr_flags = IFF_UP;
    const bool up = s >= 0 && ::ioctl(s, SIOCSIFFLAGS, &loopback) == 0;
    ::close(s);
    return up;
}

/// Has what goes to 2001:db8::/64 lost, as behind a broken router: this machine is 2001:db8::1, and the
/// others are behind its loopback, which is not forwarded. False where that is not allowed.
inline bool lose_ipv6() {
    struct ipv6_address {  // in6_ifreq of <linux/ipv6.h>, which does not go with <netinet/in.h>
        in6_addr address;
        std::uint32_t prefix;
        int interface;
    };
    const int s = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0) return false;
    const int loopback = static_cast<int>(::if_nametoindex("lo"));
    in6_addr own{};
    own.s6_addr[0] = 0x20;
    own.s6_addr[1] = 0x01;
    own.s6_addr[2] = 0x0d;
    own.s6_addr[3] = 0xb8;
    in6_rtmsg route{};
    route.rtmsg_dst = own;
    route.rtmsg_dst_len = 64;
    route.rtmsg_flags = RTF_UP;
    route.rtmsg_metric = 1;
    route.rtmsg_ifindex = loopback;
    own.s6_addr[15] = 1;
    ipv6_address is{own, 128, loopback};
    const bool lost = ::ioctl(s, SIOCSIFADDR, &is) == 0 && ::ioctl(s, SIOCADDRT, &route) == 0;
    ::close(s);
    return lost;
}

/// What `body()` gives as text, in a network of its own once `prepare()` has given true there; nothing where
/// either is not allowed.
template <class Prepare, class Body>
std::optional<std::string> in_own_network(Prepare prepare, Body body) {
    child run([&](const witness_pipe& to) {
        if (!enter_own_network() || !prepare()) return 77;
        std::string said;
        try {
            said = body();
        } catch (const std::exception& e) {
            said = std::string("it failed: ") + e.what();
        }
        to.say(said);
        return 0;
    });
    const int status = run.exit_status();
    if (status == 77) return std::nullopt;
    return status == 0 ? run.said() : "it ended with status " + std::to_string(status);
}

/// What body(), a task<std::string>, gives on each demultiplexer, one line each.
template <class F>
std::string on_each_in_turn(F body) {
    std::string said;
    for (const auto kind : demultiplexers()) {
        bight::reactor_options options;
        options.demultiplexer = kind;
        bight::reactor r(options);
        said += std::string(name_of(kind)) + ": " + r.run(body()) + "\n";
    }
    return said;
}

/// What that is when each says the same.
inline std::string each_says(const std::string& line) {
    std::string said;
    for (const auto kind : demultiplexers()) said += std::string(name_of(kind)) + ": " + line + "\n";
    return said;
}

}  // namespace test
