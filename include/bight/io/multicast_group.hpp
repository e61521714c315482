// multicast_group: what a datagram_socket joins.
#pragma once

#include <bight/core/export.hpp>
#include <bight/io/address.hpp>

#include <optional>

namespace BIGHT_EXPORT bight {

/// A group of hosts (RFC 1112, RFC 4291), on one network interface.
struct multicast_group {
    address group;  ///< 224.0.0.0 to 239.255.255.255, ff00::/8; the port does not count
    /// if_nametoindex(3); 0: the system chooses. Linux gives a member of a group of IPv6 also what comes to
    /// that group by another interface, if another socket is a member there:
    /// received_datagram::interface_index tells.
    unsigned interface_index = 0;
    /// Only datagrams of this sender (source-specific multicast, RFC 4607); empty: of all.
    address source = {};
};

/// How datagrams to groups are sent. What has no value is left as it is.
struct multicast_options {
    /// Whether members on this machine get them, too; as long as nobody says otherwise, they do.
    /// (IP_MULTICAST_LOOP; on Windows it is the receiving socket that has it.)
    std::optional<bool> loopback = {};
    /// How many networks they may cross, 0 to 255: 0 is this machine, and 1, which it is unless set, the
    /// networks to which it is connected. Over IPv6 Linux sends those of 0, too, when nobody on this machine
    /// is a member on that interface. (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS.)
    std::optional<int> hops = {};
    /// The interface through which they go; 0: the system chooses. (IP_MULTICAST_IF.)
    std::optional<unsigned> interface_index = {};
};

}  // namespace bight
