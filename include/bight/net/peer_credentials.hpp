// peer_credentials: who is at the other end of a Unix socket.
#pragma once

#include <bight/core/export.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/owned_descriptor.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace BIGHT_EXPORT bight {

/// The process at the other end of a Unix socket, as the kernel tells it: as it was when that process
/// connected, or began to listen. The socket may have been passed on since; and a number of a process that
/// has ended may be another's by now, which `pidfd` alone excludes.
struct peer_credentials {
    std::optional<std::int64_t> process;  ///< its number; without a value where that is not told (some BSDs)
    std::optional<std::uint32_t> user;    ///< the effective one; without a value on Windows
    std::optional<std::uint32_t> group;
    std::vector<std::uint32_t> groups;  ///< the supplementary ones; Linux (SO_PEERGROUPS), FreeBSD
    /// Stands for the process itself: it becomes readable when that ends, and signals through it
    /// (pidfd_send_signal(2)) reach no other. Linux 6.5 or later (SO_PEERPIDFD); empty elsewhere, and when
    /// the process had been waited for before (until Linux 6.16), or this one can have no more open (EMFILE).
    owned_descriptor pidfd;
};

/// Who is at the other end of `of`. On Linux SO_PEERCRED, SO_PEERGROUPS and SO_PEERPIDFD (unix(7)), on macOS
/// and the BSDs getpeereid(3) and LOCAL_PEERPID, on Windows SIO_AF_UNIX_GETPEERPID. On a simulated host each
/// peer is process 1 of user 0.
///
/// Throws std::system_error: EOPNOTSUPP for a stream that is no Unix socket, EBADF for an empty or closed
/// one, and the errno of the call that failed. Thread: the stream's.
peer_credentials credentials_of_peer(const stream& of);

}  // namespace bight
