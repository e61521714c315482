// One attempt to connect: a socket of its own, and one address.
#pragma once

#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/io/stream.hpp>

namespace bight::detail {

/// An address that is connected to, and what has become of it.
struct connect_attempt {
    address to;
    bool begun = false;
    int error = 0;  ///< an errno; 0 while there is no answer. EAGAIN: a Unix socket whose backlog is full.
};

/// Connects a new socket, which is bound to `from` unless that is empty. Gives the stream, or an empty one
/// once `a.error` says why not. Throws what making a transport throws. Cancelling closes the socket.
///
/// A full backlog of a Unix socket is waited for. A TCP socket that has met itself (RFC 9293, 3.5: a
/// simultaneous open, which a port at which nobody listens can come to when it is of those that the kernel
/// gives to clients) is refused.
task<stream> connect_to(connect_attempt& a, const address& from);

}  // namespace bight::detail
