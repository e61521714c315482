// outgoing_datagram: a datagram to be sent, and how.
#pragma once

#include <bight/core/export.hpp>
#include <bight/io/address.hpp>
#include <bight/io/buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace BIGHT_EXPORT bight {

/// What the system cannot do of it is EOPNOTSUPP of this send: it is never left out without a word. Unix
/// datagrams have only `to` and `bytes`.
struct outgoing_datagram {
    address to;          ///< empty: the socket's peer
    const_buffer bytes;  ///< lent until the send has ended
    /// The own address to send from, whose port does not count: received_datagram::to, say, unless it was
    /// sent to_many, for an answer that comes from the address that was asked. Empty: the system chooses. An
    /// error (EINVAL, EADDRNOTAVAIL) for one that is not this machine's. (IP_PKTINFO, IPV6_PKTINFO.)
    address from = {};
    unsigned interface_index = 0;  ///< the network interface to send through; 0: the system chooses
    /// The TOS byte of IPv4, the traffic class of IPv6, of this datagram alone: see received_datagram.
    /// (IP_TOS, IPV6_TCLASS.)
    std::optional<std::uint8_t> traffic_class = {};
    /// Not 0: `bytes` are sent as datagrams of this many bytes each, the last one of what is left, by one
    /// call, which costs little more than that of a single one: at most 64 (128 since Linux 6.9), and 65,507
    /// bytes in all. Where datagram_socket::can_segment(). (UDP_SEGMENT of udp(7), Linux 4.18.)
    std::size_t segment_size = 0;
};

}  // namespace bight
