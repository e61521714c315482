// datagram_settings: the options of sockets of datagrams, for kernel_sockets and windows_sockets.
#pragma once

#include "native_handle.hpp"
#include "socket_calls.hpp"

#include <bight/io/multicast_group.hpp>

namespace bight::detail {

/// After its open: on Linux a socket gets datagrams of the groups that it has joined only, as it does on
/// other systems.
void begin_datagrams(native_handle fd, int family) noexcept;
/// These options of socket_calls: 0, or a negative error number.
int set_datagram_option(native_handle fd, socket_calls::option which, bool on) noexcept;
int set_multicast(native_handle fd, const multicast_options& options) noexcept;
int set_membership(native_handle fd, const multicast_group& of, bool joins) noexcept;
bool can_segment_datagrams(native_handle fd) noexcept;

}  // namespace bight::detail
