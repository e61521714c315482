// Whether sockets can be bound, and the kernel's settings that servers and clients run into.
#include "doctor.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <sstream>
#include <string>
#include <system_error>

namespace doctor {

namespace {

std::string reason(int error) { return std::system_category().message(error); }

// What a socket within this machine fails by, beside what is special for a family.
std::string advice_for(int error) {
    if (error == EMFILE || error == ENFILE) return "see open_files above";
    if (error == EADDRNOTAVAIL || error == ENETUNREACH || error == ENETDOWN)
        return "ip link set lo up, as root";
    return "a packet filter, or a security module, refuses what this machine sends to itself: nft list "
           "ruleset, "
           "as root";
}

finding examine_ipv4(const machine& m) {
    finding f{{}, "ipv4", state::fine, "127.0.0.1 can be bound, and connected to", {}};
    const char* cannot = "bound";
    int error = m.bind("127.0.0.1");
    if (error == 0) {
        cannot = "connected to";
        error = m.connect("127.0.0.1");
    }
    if (error == 0) return f;
    f.state = state::problem;
    f.found = std::string("127.0.0.1 cannot be ") + cannot + ": " + reason(error);
    f.advice = advice_for(error);
    return f;
}

finding examine_ipv6(const machine& m) {
    finding f{{}, "ipv6", state::fine, "::1 can be bound, and connected to", {}};
    const int bound = m.bind("::1");
    const int error = bound != 0 ? bound : m.connect("::1");
    if (error == 0) return f;
    f.state = state::note;
    f.found = std::string("::1 cannot be ") + (bound != 0 ? "bound: " : "connected to: ") + reason(error) +
              "; endpoints of IPv6 will not work here";
    if (error == EAFNOSUPPORT) {
        f.found += ", for the kernel has no IPv6";
        f.advice = "boot without ipv6.disable=1, or modprobe ipv6, as root";
    } else if (bound == EADDRNOTAVAIL) {
        f.advice =
            "sysctl -w net.ipv6.conf.all.disable_ipv6=0, as root; docker run --sysctl "
            "net.ipv6.conf.all.disable_ipv6=0";
    } else {
        f.advice = advice_for(error);
    }
    return f;
}

finding unreadable(std::string name, const std::string& path) {
    return {{}, std::move(name), state::note, path + " cannot be read", "mount /proc, with its sys"};
}

finding examine_backlog(const machine& m) {
    const std::string path = "/proc/sys/net/core/somaxconn";
    const auto most = read_number(m, path);
    if (!most) return unreadable("backlog", path);
    finding f{{}, "backlog", state::fine, "net.core.somaxconn is " + std::to_string(*most), {}};
    if (*most < SOMAXCONN) {
        f.state = state::note;
        f.found += ": a burst of more new connections is cut, whatever backlog a listener asks for";
        f.advice = "sysctl -w net.core.somaxconn=" + std::to_string(SOMAXCONN) +
                   ", as root, and the same line in /etc/sysctl.d/; restart the program";
    }
    return f;
}

finding examine_local_ports(const machine& m, std::uint64_t connections) {
    constexpr std::uint64_t few = 10000;
    const std::string path = "/proc/sys/net/ipv4/ip_local_port_range";
    std::istringstream text(m.read(path).value_or(""));
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    if (!(text >> first >> last) || last < first) return unreadable("local_ports", path);
    const std::uint64_t all = last - first + 1;
    finding f{{}, "local_ports", state::fine, {}, {}};
    f.found = std::to_string(first) + " to " + std::to_string(last) + ": a client has at most " +
              std::to_string(all) + " connections to one server's port";
    if (all < (connections > 0 ? connections : few)) {
        f.state = state::note;
        f.advice =
            "sysctl -w net.ipv4.ip_local_port_range=\"10000 65535\", as root, and the same line in "
            "/etc/sysctl.d/";
    }
    return f;
}

}  // namespace

findings examine_network(const machine& m, const examination_options& options) {
    return {examine_ipv4(m), examine_ipv6(m), examine_backlog(m),
            examine_local_ports(m, options.connections)};
}

}  // namespace doctor
