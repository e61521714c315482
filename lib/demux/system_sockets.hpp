// system_sockets: what POSIX systems do differently with sockets. Linux's is in linux_sockets.cpp, that of
// macOS and the BSDs in bsd_sockets.cpp.
#pragma once

#include "socket_calls.hpp"

#include <cstddef>
#include <string_view>

namespace bight::detail::system_sockets {

/// A new socket of type `type` (SOCK_STREAM, SOCK_DGRAM), close-on-exec and non-blocking, or -errno.
int open(int family, int type) noexcept;
/// The family of a socket, or -errno.
int family(native_handle fd) noexcept;
/// 1, 0, or -errno.
int listens(native_handle fd) noexcept;

/// Where setsockopt(2) finds an option of a number; `name` is negative where the system has none.
struct option_place {
    int level;
    int name;
};
option_place place_of(native_handle fd, socket_calls::number which) noexcept;
/// socket_calls::option::port_at_connect: 0, or -errno.
int leave_port_to_connect(native_handle fd, bool on) noexcept;
/// 0, or -errno.
int set_device(native_handle fd, std::string_view name) noexcept;
interface_name device(native_handle fd) noexcept;

/// See socket_calls.
int credentials(native_handle fd, told_credentials& peer);
int input_ended(native_handle fd) noexcept;
socket_calls::peer_state state_of_peer(native_handle fd) noexcept;
void reset(native_handle fd) noexcept;
std::size_t unsent(native_handle fd) noexcept;
std::size_t room(native_handle fd) noexcept;

/// Whether the process at the other end of a Unix socket has died; the kernel may not have closed its sockets
/// yet.
bool peer_has_died(native_handle fd) noexcept;

}  // namespace bight::detail::system_sockets
