// system_sockets: what systems do differently with sockets. Linux's is in linux_sockets.cpp, that of macOS
// and the BSDs in bsd_sockets.cpp.
#pragma once

#include "socket_calls.hpp"

#include <cstddef>
#include <string_view>

namespace bight::detail::system_sockets {

/// A new stream socket, close-on-exec and non-blocking, or -errno.
int open(int family) noexcept;
/// The family of a socket, or -errno.
int family(int fd) noexcept;
/// 1, 0, or -errno.
int listens(int fd) noexcept;

/// Where setsockopt(2) finds an option of a number; `name` is negative where the system has none.
struct option_place {
    int level;
    int name;
};
option_place place_of(int fd, socket_calls::number which) noexcept;
/// socket_calls::option::port_at_connect: 0, or -errno.
int leave_port_to_connect(int fd, bool on) noexcept;
/// 0, or -errno.
int set_device(int fd, std::string_view name) noexcept;
interface_name device(int fd) noexcept;

/// See socket_calls.
int input_ended(int fd) noexcept;
socket_calls::peer_state state_of_peer(int fd) noexcept;
void reset(int fd) noexcept;
std::size_t unsent(int fd) noexcept;

/// Whether the process at the other end of a Unix socket has died; the kernel may not have closed its sockets
/// yet.
bool peer_has_died(int fd) noexcept;

}  // namespace bight::detail::system_sockets
