// Calls that differ between systems; those that make descriptors make them close-on-exec and non-blocking.
#pragma once

namespace bight::detail {

class descriptor;

/// The next connection of a listening socket, or -errno.
int accept_connection(int listening) noexcept;
/// Whether accept4(2) is there and not refused: otherwise accept_connection makes three calls.
bool has_accept4() noexcept;
/// Returns 0, with the read end in ends[0], or -errno.
int make_pipe(int (&ends)[2]) noexcept;
/// 1, 0, or -errno.
int is_blocking(int fd) noexcept;
/// 0, or -errno.
int set_non_blocking(int fd) noexcept;
/// Undoes that.
void set_blocking(int fd) noexcept;
/// Makes a shared socket non-blocking again if another process that shares it has restored its mode; this
/// process must then restore it in the end. The mode may change again before the next call.
void keep_non_blocking(descriptor& d) noexcept;

}  // namespace bight::detail
