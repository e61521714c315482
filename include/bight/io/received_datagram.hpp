// received_datagram: what a receive of a datagram_socket gives.
#pragma once

#include <bight/core/export.hpp>
#include <bight/io/address.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/ecn_codepoint.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace BIGHT_EXPORT bight {

/// The process that has sent a datagram over a Unix socket, as the kernel tells it: it was that when it sent
/// it. A privileged one may have named another (CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID; unix(7)).
struct datagram_sender {
    std::int64_t process = 0;  ///< its number; that of one that has ended may be another's by now
    std::uint32_t user = 0;    ///< the real one, as seen from here
    std::uint32_t group = 0;

    bool operator==(const datagram_sender&) const noexcept = default;
};

/// What there is to know of a datagram beside its bytes, which are in the memory of the receive.
struct received_datagram {
    std::size_t size = 0;    ///< the bytes in the memory; 0 is a datagram, too
    bool truncated = false;  ///< it was longer than the memory, and the rest is lost
    address from;            ///< its sender; empty for a Unix socket that is bound to nothing
    /// The own address to which it was sent, with the port: one of this machine's, or that of a group or a
    /// broadcast. Empty when the system does not tell, or was not asked (datagram_options::tell_arrival) and
    /// the socket is bound to more than one address.
    address to;
    /// It was sent to a group, or as a broadcast: an answer cannot come from `to`. False when the system was
    /// not asked. (On Linux a socket of IPv6 does not tell the broadcasts of one network, as 192.0.2.255,
    /// from addresses.)
    bool to_many = false;
    unsigned interface_index = 0;  ///< the network interface (if_indextoname(3)); 0: not told
    /// The TOS byte of IPv4, the traffic class of IPv6: its code point (RFC 2474) in the upper six bits, and
    /// the ECN bits. Empty unless datagram_options::tell_traffic_class asks for it, and the system tells it.
    std::optional<std::uint8_t> traffic_class;
    /// Not 0: the memory holds several datagrams of the same sender, of this many bytes each, the last one
    /// of what is left (datagram_options::coalesce_received).
    std::size_t segment_size = 0;
    /// Who has sent it; empty unless datagram_options::tell_sender asks for it.
    std::optional<datagram_sender> sender;

    /// That of the traffic class; not_capable when that is not told.
    ecn_codepoint ecn() const noexcept { return static_cast<ecn_codepoint>(traffic_class.value_or(0) & 3); }
};

/// Room for one datagram of datagram_socket::receive_many.
struct datagram_slot {
    mutable_buffer memory;  ///< set by who asks
    received_datagram got;  ///< set by the receive, in the slots that it has filled
};

}  // namespace bight
