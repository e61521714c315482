// The options of ip(7), ipv6(7) and udp(7); groups as in RFC 3678.
#include "datagram_settings.hpp"

#include "../core/system_error.hpp"
#include "../io/socket_headers.hpp"

#if defined(__linux__)
#include <netinet/udp.h>
#endif

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace bight::detail {

namespace {

template <class T>
int set_value(native_handle fd, int level, int name, const T& value) noexcept {
#if defined(_WIN32)
    const int result = ::setsockopt(static_cast<SOCKET>(fd), level, name,
                                    reinterpret_cast<const char*>(&value), static_cast<int>(sizeof value));
#else
    const int result = ::setsockopt(fd, level, name, &value, sizeof value);
#endif
    return result < 0 ? -last_socket_error() : 0;
}

int set_number(native_handle fd, int level, int name, int value) noexcept {
    return set_value(fd, level, name, value);
}

int family_of_socket(native_handle fd) noexcept {
#if defined(_WIN32)
    WSAPROTOCOL_INFOW info{};
    int info_size = sizeof info;
    if (::getsockopt(static_cast<SOCKET>(fd), SOL_SOCKET, SO_PROTOCOL_INFOW, reinterpret_cast<char*>(&info),
                     &info_size) == SOCKET_ERROR)
        return AF_UNSPEC;
    return info.iAddressFamily;
#else
    sockaddr_storage a{};
    socklen_t size = sizeof a;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size) < 0) return AF_UNSPEC;
    return a.ss_family;
#endif
}

// macOS calls what it asks for by another name than what it gets.
int tell_arrival(native_handle fd, int family, bool on) noexcept {
    if (family == AF_INET6) {
#if defined(IPV6_RECVPKTINFO)
        return set_number(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, on);
#else
        return set_number(fd, IPPROTO_IPV6, IPV6_PKTINFO, on);
#endif
    }
    if (family != AF_INET) return 0;
#if defined(IP_RECVPKTINFO)
    return set_number(fd, IPPROTO_IP, IP_RECVPKTINFO, on);
#elif defined(IP_PKTINFO)
    return set_number(fd, IPPROTO_IP, IP_PKTINFO, on);
#elif defined(IP_RECVDSTADDR)
    return set_number(fd, IPPROTO_IP, IP_RECVDSTADDR, on);
#else
    return -ENOPROTOOPT;
#endif
}

// A socket of IPv6 may have peers of IPv4, whose datagrams have the other byte.
int tell_traffic_class(native_handle fd, int family, bool on) noexcept {
    int told = -ENOPROTOOPT;
#if defined(IP_RECVTOS)
    if (family == AF_INET || family == AF_INET6) told = set_number(fd, IPPROTO_IP, IP_RECVTOS, on);
#endif
#if defined(IPV6_RECVTCLASS)
    if (family == AF_INET6) told = set_number(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, on);
#endif
    return told;
}

int tell_sender([[maybe_unused]] native_handle fd, [[maybe_unused]] bool on) noexcept {
#if defined(SO_PASSCRED)
    // The time of a datagram, which whoever made the socket may have asked for, would take the sender's room.
    if (on) (void)set_number(fd, SOL_SOCKET, SO_TIMESTAMP, 0);
    return set_number(fd, SOL_SOCKET, SO_PASSCRED, on);
#else
    return -EOPNOTSUPP;
#endif
}

int share_address(native_handle fd, bool on) noexcept {
#if defined(__linux__) || defined(_WIN32)
    return set_number(fd, SOL_SOCKET, SO_REUSEADDR, on);
#else
    return set_number(fd, SOL_SOCKET, SO_REUSEPORT, on);
#endif
}

int coalesce(native_handle fd, bool on) noexcept {
#if defined(UDP_GRO)
    return set_number(fd, IPPROTO_UDP, UDP_GRO, on);
#else
    (void)fd;
    (void)on;
    return -ENOPROTOOPT;
#endif
}

int set_group_interface(native_handle fd, int family, unsigned index) noexcept {
    if (family == AF_INET6) return set_value(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, index);
#if defined(_WIN32)
    const std::uint32_t as_address = htonl(index);
    return set_value(fd, IPPROTO_IP, IP_MULTICAST_IF, as_address);
#else
    ip_mreqn through{};
    through.imr_ifindex = static_cast<decltype(through.imr_ifindex)>(index);
    return set_value(fd, IPPROTO_IP, IP_MULTICAST_IF, through);
#endif
}

// Of IPv4 the BSDs take a byte.
int set_group_number(native_handle fd, int family, int of_ipv4, int of_ipv6, int value) noexcept {
    if (family == AF_INET6) return set_number(fd, IPPROTO_IPV6, of_ipv6, value);
#if defined(__linux__) || defined(_WIN32)
    return set_number(fd, IPPROTO_IP, of_ipv4, value);
#else
    return set_value(fd, IPPROTO_IP, of_ipv4, static_cast<unsigned char>(value));
#endif
}

}  // namespace

void begin_datagrams([[maybe_unused]] native_handle fd, [[maybe_unused]] int family) noexcept {
#if defined(IP_MULTICAST_ALL)
    if (family == AF_INET || family == AF_INET6) (void)set_number(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
#endif
#if defined(IPV6_MULTICAST_ALL)
    if (family == AF_INET6) (void)set_number(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
#endif
}

int set_datagram_option(native_handle fd, socket_calls::option which, bool on) noexcept {
    using option = socket_calls::option;
    switch (which) {
        case option::broadcast: return set_number(fd, SOL_SOCKET, SO_BROADCAST, on);
        case option::share_address: return share_address(fd, on);
        case option::tell_arrival: return tell_arrival(fd, family_of_socket(fd), on);
        case option::tell_traffic_class: return tell_traffic_class(fd, family_of_socket(fd), on);
        case option::tell_sender: return tell_sender(fd, on);
        case option::coalesce_received: return coalesce(fd, on);
        default: return -EINVAL;
    }
}

int set_multicast(native_handle fd, const multicast_options& options) noexcept {
    const int family = family_of_socket(fd);
    if (family != AF_INET && family != AF_INET6) return -EOPNOTSUPP;
    int result = 0;
    if (options.interface_index) result = set_group_interface(fd, family, *options.interface_index);
    if (result >= 0 && options.hops)
        result = set_group_number(fd, family, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, *options.hops);
    if (result >= 0 && options.loopback)
        result = set_group_number(fd, family, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, *options.loopback);
    return result;
}

int set_membership(native_handle fd, const multicast_group& of, bool joins) noexcept {
    const int family = family_of_socket(fd);
    if (of.group.native_family() != family || (family != AF_INET && family != AF_INET6)) return -EAFNOSUPPORT;
    const int level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    if (!of.source) {
        group_req request{};
        request.gr_interface = of.interface_index;
        std::memcpy(&request.gr_group, of.group.native(), of.group.native_size());
        return set_value(fd, level, joins ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, request);
    }
    if (of.source.native_family() != family) return -EAFNOSUPPORT;
    group_source_req request{};
    request.gsr_interface = of.interface_index;
    std::memcpy(&request.gsr_group, of.group.native(), of.group.native_size());
    std::memcpy(&request.gsr_source, of.source.native(), of.source.native_size());
    return set_value(fd, level, joins ? MCAST_JOIN_SOURCE_GROUP : MCAST_LEAVE_SOURCE_GROUP, request);
}

bool can_segment_datagrams([[maybe_unused]] native_handle fd) noexcept {
#if defined(UDP_SEGMENT)
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &value, &size) == 0;
#else
    return false;
#endif
}

}  // namespace bight::detail
