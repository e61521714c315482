// IP_PKTINFO and IP_TOS of ip(7), IPV6_PKTINFO and IPV6_TCLASS of RFC 3542, UDP_SEGMENT and UDP_GRO of
// udp(7); FreeBSD and OpenBSD have IP_RECVDSTADDR for the first. SCM_CREDENTIALS of unix(7).
#include "datagram_control.hpp"

#include "../io/socket_headers.hpp"

#if defined(__linux__)
#include <netinet/udp.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace bight::detail {

namespace {

// The calls and structures of control data have other names on Windows.
#if defined(_WIN32)

using message_header = WSAMSG;
using control_header = WSACMSGHDR;
using ipv4_arrival = IN_PKTINFO;
using ipv6_arrival = IN6_PKTINFO;

message_header message_of(void* control, std::size_t size) noexcept {
    message_header m{};
    m.Control.buf = static_cast<char*>(control);
    m.Control.len = static_cast<ULONG>(size);
    return m;
}
control_header* first_of(message_header& m) noexcept { return WSA_CMSG_FIRSTHDR(&m); }
control_header* next_of(message_header& m, control_header* c) noexcept { return WSA_CMSG_NXTHDR(&m, c); }
unsigned char* data_of(control_header* c) noexcept { return WSA_CMSG_DATA(c); }
constexpr std::size_t length_of(std::size_t size) noexcept { return WSA_CMSG_LEN(size); }
constexpr std::size_t space_of(std::size_t size) noexcept { return WSA_CMSG_SPACE(size); }

#else

using message_header = msghdr;
using control_header = cmsghdr;
#if defined(IP_PKTINFO)
using ipv4_arrival = in_pktinfo;
#endif
using ipv6_arrival = in6_pktinfo;

message_header message_of(void* control, std::size_t size) noexcept {
    message_header m{};
    m.msg_control = control;
    m.msg_controllen = static_cast<decltype(m.msg_controllen)>(size);
    return m;
}
control_header* first_of(message_header& m) noexcept { return CMSG_FIRSTHDR(&m); }
control_header* next_of(message_header& m, control_header* c) noexcept { return CMSG_NXTHDR(&m, c); }
unsigned char* data_of(control_header* c) noexcept { return CMSG_DATA(c); }
std::size_t length_of(std::size_t size) noexcept { return CMSG_LEN(size); }
std::size_t space_of(std::size_t size) noexcept { return CMSG_SPACE(size); }

#endif

// Of items of fewer bytes the rest is 0.
template <class T>
T item_of(control_header* c) noexcept {
    T item{};
    const std::size_t size = static_cast<std::size_t>(c->cmsg_len) - length_of(0);
    std::memcpy(&item, data_of(c), std::min(size, sizeof item));
    return item;
}

address ipv4_address(const in_addr& ip, std::uint16_t port) noexcept {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr = ip;
    a.sin_port = htons(port);
    return address::from_native(&a, sizeof a);
}

// An address of one link only means something together with the interface.
address ipv6_address(const ipv6_arrival& of, std::uint16_t port) noexcept {
    sockaddr_in6 a{};
    a.sin6_family = AF_INET6;
    a.sin6_addr = of.ipi6_addr;
    a.sin6_port = htons(port);
    if (IN6_IS_ADDR_LINKLOCAL(&a.sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&a.sin6_addr))
        a.sin6_scope_id = static_cast<decltype(a.sin6_scope_id)>(of.ipi6_ifindex);
    return address::from_native(&a, sizeof a);
}

// What an address itself says; that of a broadcast of one network says nothing.
bool is_for_many(const in_addr& ip) noexcept {
    const std::uint32_t number = ntohl(ip.s_addr);
    return number >> 28 == 0xe || number == 0xffffffff;
}
bool is_for_many(const in6_addr& ip) noexcept {
    in_addr mapped{};
    std::memcpy(&mapped, &ip.s6_addr[12], sizeof mapped);
    return IN6_IS_ADDR_MULTICAST(&ip) || (IN6_IS_ADDR_V4MAPPED(&ip) && is_for_many(mapped));
}

#if defined(IP_PKTINFO)
bool was_sent_to_many(const ipv4_arrival& at) noexcept {
#if defined(__linux__)
    // The second address is the one to answer from: another one, where the first is that of a broadcast.
    if (at.ipi_spec_dst.s_addr != 0 && at.ipi_spec_dst.s_addr != at.ipi_addr.s_addr) return true;
#endif
    return is_for_many(at.ipi_addr);
}
#endif

// Writes items one after the other.
class control_writer {
  public:
    explicit control_writer(datagram_control_room& room) noexcept : room_(room) {}
    template <class T>
    void add(int level, int type, const T& item) noexcept {
        static_assert(sizeof(T) <= 20);  // at most four are written
        unsigned char* const place = room_.bytes + used_;
        message_header m = message_of(place, space_of(sizeof item));
        std::memset(place, 0, space_of(sizeof item));
        control_header* const c = first_of(m);
        c->cmsg_level = level;
        c->cmsg_type = type;
        c->cmsg_len = static_cast<decltype(c->cmsg_len)>(length_of(sizeof item));
        std::memcpy(data_of(c), &item, sizeof item);
        used_ += space_of(sizeof item);
    }
    int size() const noexcept { return static_cast<int>(used_); }

  private:
    datagram_control_room& room_;
    std::size_t used_ = 0;
};

bool write_source(control_writer& to, const outgoing_datagram& of, int family) noexcept {
    if (!of.from && of.interface_index == 0) return true;
    if (family == AF_INET6) {
        ipv6_arrival at{};
        if (of.from) {
            sockaddr_in6 native{};
            std::memcpy(&native, of.from.native(), sizeof native);
            at.ipi6_addr = native.sin6_addr;
        }
        at.ipi6_ifindex = of.interface_index;
        to.add(IPPROTO_IPV6, IPV6_PKTINFO, at);
        return true;
    }
    if (family != AF_INET) return false;
    sockaddr_in native{};
    if (of.from) std::memcpy(&native, of.from.native(), sizeof native);
#if defined(IP_PKTINFO)
    ipv4_arrival at{};
#if defined(_WIN32)
    at.ipi_addr = native.sin_addr;
#else
    at.ipi_spec_dst = native.sin_addr;
#endif
    at.ipi_ifindex = static_cast<decltype(at.ipi_ifindex)>(of.interface_index);
    to.add(IPPROTO_IP, IP_PKTINFO, at);
    return true;
#elif defined(IP_RECVDSTADDR)
    if (of.interface_index != 0) return false;
    to.add(IPPROTO_IP, IP_RECVDSTADDR, native.sin_addr);  // IP_SENDSRCADDR has its number
    return true;
#else
    return false;
#endif
}

// A socket of IPv6 may have a peer of IPv4, whose datagrams have the other item.
bool write_traffic_class(control_writer& to, int value, int family) noexcept {
#if defined(__linux__) || defined(__FreeBSD__)
    if (family == AF_INET || family == AF_INET6) to.add(IPPROTO_IP, IP_TOS, value);
    if (family == AF_INET) return true;
#endif
#if defined(_WIN32)
    (void)to;
    (void)value;
    (void)family;
    return false;
#else
    if (family != AF_INET6) return false;
    to.add(IPPROTO_IPV6, IPV6_TCLASS, value);
    return true;
#endif
}

bool write_segment_size(control_writer& to, std::size_t size) noexcept {
#if defined(UDP_SEGMENT)
    to.add(IPPROTO_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(std::min<std::size_t>(size, 0xffff)));
    return true;
#else
    (void)to;
    (void)size;
    return false;
#endif
}

}  // namespace

std::size_t control_room_for(int family) noexcept {
#if defined(SCM_CREDENTIALS)
    if (family == AF_UNIX) return space_of(sizeof(ucred));
#else
    if (family == AF_UNIX) return 0;
#endif
    return sizeof(datagram_control_room::bytes);
}

void read_control(const void* control, std::size_t size, std::uint16_t port,
                  received_datagram& told) noexcept {
    message_header m = message_of(const_cast<void*>(control), size);
    for (control_header* c = first_of(m); c; c = next_of(m, c)) {
#if defined(IP_PKTINFO)
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            const auto at = item_of<ipv4_arrival>(c);
            told.to = ipv4_address(at.ipi_addr, port);
            told.interface_index = static_cast<unsigned>(at.ipi_ifindex);
            told.to_many = was_sent_to_many(at);
        }
#elif defined(IP_RECVDSTADDR)
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVDSTADDR) {
            const auto at = item_of<in_addr>(c);
            told.to = ipv4_address(at, port);
            told.to_many = is_for_many(at);
        }
#endif
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            const auto at = item_of<ipv6_arrival>(c);
            told.to = ipv6_address(at, port);
            told.interface_index = static_cast<unsigned>(at.ipi6_ifindex);
            told.to_many = is_for_many(at.ipi6_addr);
        }
#if defined(IP_RECVTOS)
        // FreeBSD and macOS call what comes by the name of what asks for it.
        if (c->cmsg_level == IPPROTO_IP && (c->cmsg_type == IP_TOS || c->cmsg_type == IP_RECVTOS))
            told.traffic_class = item_of<std::uint8_t>(c);
#endif
#if defined(IPV6_TCLASS)
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
            told.traffic_class = static_cast<std::uint8_t>(item_of<int>(c));
#endif
#if defined(SCM_CREDENTIALS)
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
            const auto by = item_of<ucred>(c);
            told.sender = datagram_sender{by.pid, by.uid, by.gid};
        }
#endif
#if defined(UDP_GRO)
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
            told.segment_size = static_cast<std::size_t>(item_of<int>(c));
#endif
    }
}

int write_control(datagram_control_room& room, const outgoing_datagram& of, int family) noexcept {
    control_writer to(room);
    if (!write_source(to, of, family)) return -EOPNOTSUPP;
    if (of.traffic_class && !write_traffic_class(to, *of.traffic_class, family)) return -EOPNOTSUPP;
    if (of.segment_size > 0 && !write_segment_size(to, of.segment_size)) return -EOPNOTSUPP;
    return to.size();
}

}  // namespace bight::detail
