// connect_attempt, connect_to: one attempt to connect to one address.
#pragma once

#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/io/socket_options.hpp>
#include <bight/io/stream.hpp>

#include <cstdint>

namespace bight::detail {

/// An address and the outcome of the attempt to connect to it.
struct connect_attempt {
    address to;
    bool begun = false;
    int error =
        0;  ///< an error number; 0 while there is no answer. EAGAIN: a Unix socket whose backlog is full.
};

/// How the sockets of a connect are made.
struct connect_setup {
    address from;                  ///< empty: any
    std::uint16_t local_port = 0;  ///< without `from`; 0: any
    socket_options options;
};

/// Connects a new socket, which is bound as `setup` says. Gives the stream, or an empty one
/// with the reason in `a.error`. Throws what making a transport throws. Cancelling closes the socket.
///
/// Waits while the backlog of a Unix socket is full. A TCP socket that has connected to itself counts as
/// refused. (RFC 9293, 3.5: a simultaneous open, which can happen when nobody listens on a port of the range
/// that the kernel gives to clients.)
task<stream> connect_to(connect_attempt& a, const connect_setup& setup);

}  // namespace bight::detail
