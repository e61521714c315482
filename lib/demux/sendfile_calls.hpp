// sendfile_calls: moves bytes from a file to a socket within the kernel.
#pragma once

#include "native_handle.hpp"

#include <bight/core/export.hpp>

#include <cstddef>
#include <cstdint>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Whether this system can (Linux: sendfile(2)). False for good once a filter has refused the call.
bool has_sendfile() noexcept;

/// The number of bytes, 0 at the end of the file, or -errno; -EAGAIN when the socket has no room, -ENOSYS,
/// whatever the error was, when a filter refuses the call, or the file or the socket cannot be used so. It
/// waits for the disk: see is_at_hand. Raises no signal.
std::int64_t send_from_file(native_handle socket, native_handle file, std::uint64_t offset,
                            std::size_t most) noexcept;

/// Whether this part of the file is in memory, so that reading it will hardly wait for a disk. Before
/// Linux 6.5, and of files that are another user's, that is known of its ends only. False where the file
/// system does not tell (overlayfs before 6.5, FUSE).
bool is_at_hand(native_handle file, std::uint64_t offset, std::size_t size) noexcept;

}  // namespace detail
}  // namespace bight
