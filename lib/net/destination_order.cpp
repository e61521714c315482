#include "destination_order.hpp"

#include "../demux/socket_calls.hpp"
#include "../io/socket_headers.hpp"
#include "resolve.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace bight::detail {

namespace {

constexpr std::uint16_t any_port = 53;  // a connect to port 0 fails on some systems

using ipv6_bytes = std::array<std::uint8_t, 16>;

// Addresses of IPv4 as those that stand for them.
ipv6_bytes bytes_of(const address& a) noexcept {
    ipv6_bytes bytes{};
    if (a.native_family() == AF_INET6) {
        sockaddr_in6 native{};
        std::memcpy(&native, a.native(), sizeof native);
        std::memcpy(bytes.data(), &native.sin6_addr, bytes.size());
    } else if (a.native_family() == AF_INET) {
        sockaddr_in native{};
        std::memcpy(&native, a.native(), sizeof native);
        bytes[10] = bytes[11] = 0xff;
        std::memcpy(&bytes[12], &native.sin_addr, 4);
    }
    return bytes;
}

bool is_ipv4(const ipv6_bytes& a) noexcept {
    return std::all_of(a.begin(), a.begin() + 10, [](std::uint8_t b) { return b == 0; }) && a[10] == 0xff &&
           a[11] == 0xff;
}

unsigned common_prefix(const ipv6_bytes& a, const ipv6_bytes& b) noexcept {
    unsigned bits = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto differing = static_cast<std::uint8_t>(a[i] ^ b[i]);
        bits += static_cast<unsigned>(std::countl_zero(differing));
        if (differing != 0) break;
    }
    return bits;
}

// RFC 6724, 2.1.
struct policy {
    ipv6_bytes prefix;
    unsigned bits;
    int precedence;
    int label;
};
constexpr std::array policies{
    policy{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, 50, 0},  // ::1
    policy{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 35, 4},         // IPv4
    policy{{}, 96, 1, 3},
    policy{{0x20, 0x01}, 32, 5, 5},   // Teredo
    policy{{0x20, 0x02}, 16, 30, 2},  // 6to4
    policy{{0x3f, 0xfe}, 16, 1, 12},  // 6bone
    policy{{0xfe, 0xc0}, 10, 1, 11},  // site-local
    policy{{0xfc}, 7, 3, 13},         // unique local
    policy{{}, 0, 40, 1},
};

const policy& policy_of(const ipv6_bytes& a) noexcept {
    return *std::find_if(policies.begin(), policies.end(),
                         [&](const policy& p) { return common_prefix(a, p.prefix) >= p.bits; });
}

// RFC 6724, 3.1 and 3.2; the numbers are those of multicast addresses.
int scope_of(const ipv6_bytes& a) noexcept {
    constexpr int link = 2;
    constexpr int site = 5;
    constexpr int global = 14;
    if (is_ipv4(a)) return a[12] == 127 || (a[12] == 169 && a[13] == 254) ? link : global;
    if (a[0] == 0xff) return a[1] & 15;
    if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) return link;
    if (a[0] == 0xfe && (a[1] & 0xc0) == 0xc0) return site;
    const ipv6_bytes loopback = policies.front().prefix;
    return a == loopback ? link : global;
}

// A destination, and what decides on its place.
struct destination {
    address at;
    std::size_t place;  // among those that were found
    bool unreachable = false;
    bool other_scope = false;
    bool other_label = false;
    int precedence = 0;
    int scope = 0;
    bool ipv6 = false;
    unsigned prefix = 0;  // that it has in common with the source

    destination(const address& to, std::size_t here, const address& source)
        : at(to), place(here), unreachable(!source) {
        const ipv6_bytes bytes = bytes_of(to);
        const policy& of = policy_of(bytes);
        precedence = of.precedence;
        scope = scope_of(bytes);
        ipv6 = !is_ipv4(bytes);
        if (unreachable) return;
        const ipv6_bytes from = bytes_of(source);
        other_scope = scope_of(from) != scope;
        other_label = policy_of(from).label != of.label;
        prefix = std::min(common_prefix(bytes, from), 64U);  // what is behind it names an interface
    }
};

bool comes_before(const destination& a, const destination& b) noexcept {
    if (a.unreachable != b.unreachable) return b.unreachable;
    if (a.other_scope != b.other_scope) return b.other_scope;
    if (a.other_label != b.other_label) return b.other_label;
    if (a.precedence != b.precedence) return a.precedence > b.precedence;
    if (a.scope != b.scope) return a.scope < b.scope;
    if (a.ipv6 && b.ipv6 && a.prefix != b.prefix) return a.prefix > b.prefix;
    return a.place < b.place;
}

}  // namespace

address source_here(const address& to) noexcept {
    socket_calls& calls = sockets_here();
    const int fd = calls.open(to.native_family(), socket_type::datagram);
    if (fd < 0) return {};
    const bool has_way = calls.connect_datagrams(fd, with_port(to, any_port)) >= 0;
    const address source = has_way ? calls.local(fd) : address();
    calls.close(fd);
    return source;
}

void put_in_order(std::vector<address>& found, const source_choice& source_of) {
    if (found.size() < 2) return;
    std::vector<destination> all;
    all.reserve(found.size());
    std::vector<address> others;
    std::size_t of_ipv6 = 0;
    std::size_t of_ipv4 = 0;
    for (const address& a : found) {
        std::size_t& of_family = a.native_family() == AF_INET6 ? of_ipv6 : of_ipv4;
        if (++of_family > most_to_order) {
            others.push_back(a);
        } else {
            all.emplace_back(a, all.size(), source_of(a));
        }
    }
    std::sort(all.begin(), all.end(), comes_before);
    const auto behind =
        std::transform(all.begin(), all.end(), found.begin(), [](const destination& d) { return d.at; });
    std::copy(others.begin(), others.end(), behind);
}

}  // namespace bight::detail
