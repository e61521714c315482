// Calls that systems spell differently: each gives close-on-exec, non-blocking descriptors.
#pragma once

namespace bight::detail {

class descriptor;

/// The next connection of a socket that listens, or -errno.
int accept_connection(int listening) noexcept;
/// 0, with the end to read from first, or -errno.
int make_pipe(int (&ends)[2]) noexcept;
/// 1, 0, or -errno.
int is_blocking(int fd) noexcept;
/// 0, or -errno.
int set_non_blocking(int fd) noexcept;
/// Back again.
void set_blocking(int fd) noexcept;
/// Makes a shared socket non-blocking once more, when another one who shares it has put its mode back; that
/// is for this one to do then. Between this and a call on it that can happen again.
void keep_non_blocking(descriptor& d) noexcept;

}  // namespace bight::detail
