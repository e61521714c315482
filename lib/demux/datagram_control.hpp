// datagram_control: what control data says of a datagram, beside its bytes.
#pragma once

#include "native_handle.hpp"

#include <bight/core/export.hpp>
#include <bight/io/outgoing_datagram.hpp>
#include <bight/io/received_datagram.hpp>

#include <cstddef>
#include <cstdint>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Memory for the control data of one datagram.
struct datagram_control_room {
    alignas(std::max_align_t) unsigned char bytes[192];
};

/// The room that a receive has for what `read_control` reads, of a socket of this family. That of a Unix
/// socket has none for descriptors, which the kernel closes then.
std::size_t control_room_for(int family) noexcept;
/// Sets what it finds: `to`, with this port, `to_many`, `interface_index`, `traffic_class`, `segment_size`
/// and `sender`. Items of other kinds are passed over.
void read_control(const void* control, std::size_t size, std::uint16_t port,
                  received_datagram& told) noexcept;
/// For a socket of this family. Returns the size, 0 when there is nothing to say; -EOPNOTSUPP when this
/// system cannot say it.
int write_control(datagram_control_room& room, const outgoing_datagram& of, int family) noexcept;

}  // namespace detail
}  // namespace bight
