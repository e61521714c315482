// Calls that differ between systems; those that make descriptors make them close-on-exec and non-blocking.
#pragma once

#include "native_handle.hpp"

namespace bight::detail {

class descriptor;

/// Closes a socket, or another descriptor.
void close_descriptor(native_handle fd) noexcept;
/// The next connection of a listening socket, or -errno.
int accept_connection(native_handle listening) noexcept;
/// Whether accept4(2) is there and not refused: otherwise accept_connection makes three calls.
bool has_accept4() noexcept;
/// Returns 0, with the read end in ends[0], or -errno.
int make_pipe(int (&ends)[2]) noexcept;
/// Makes a descriptor close-on-exec and non-blocking, and a socket one that raises no SIGPIPE: for those that
/// no call makes so from the start. 0, or -errno.
int make_ours(native_handle fd) noexcept;
/// Sees to it that calls on an adopted socket raise no SIGPIPE, where their flags cannot.
void keep_from_signals(native_handle fd) noexcept;
/// Whether MSG_DONTWAIT keeps each call from waiting, whatever the mode of the socket. macOS heeds it when it
/// receives, and not when it sends; Windows has no such flag.
#if defined(__APPLE__) || defined(_WIN32)
inline constexpr bool flags_forbid_waiting = false;
#else
inline constexpr bool flags_forbid_waiting = true;
#endif
/// 1, 0, or a negative error number. Windows does not tell: there all sockets that bight has are
/// non-blocking, those that it was given from socket_calls::duplicate on, and stay so.
int is_blocking(native_handle fd) noexcept;
/// 0, or -errno.
int set_non_blocking(native_handle fd) noexcept;
/// Undoes that.
void set_blocking(native_handle fd) noexcept;
/// Makes a shared socket non-blocking again if another process that shares it has restored its mode; this
/// process must then restore it in the end. The mode may change again before the next call.
void keep_non_blocking(descriptor& d) noexcept;

}  // namespace bight::detail
