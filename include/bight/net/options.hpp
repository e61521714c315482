// listen_options, serve_options, connect_options.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>
#include <bight/io/address.hpp>
#include <bight/io/socket_options.hpp>

#include <chrono>
#include <cstdint>
#include <type_traits>

namespace BIGHT_EXPORT bight {

class resolver;

/// What a listener does when the process runs out of descriptors (EMFILE, ENFILE) or the kernel out of
/// memory.
enum class exhaustion_policy : std::uint8_t {
    /// Accepts the waiting connections and closes them at once, so that clients do not hang: they are
    /// connected, and see the end of the stream, or, once they have sent something, a reset (ECONNRESET).
    shed,
    wait,  ///< leaves them in the backlog, and looks again every 100 ms
};

/// How a sharded_listener spreads connections over the reactors of a runtime.
enum class sharding : std::uint8_t {
    automatic,   ///< reuse_port for TCP where the system has it, otherwise hand_over
    reuse_port,  ///< each reactor has its own socket at the same address (SO_REUSEPORT), and the kernel
                 ///< chooses by a hash of both ends' addresses; TCP only
    hand_over,   ///< one reactor accepts, and passes the connections to all reactors in turn
};

/// Options of `listen`, also part of serve_options.
struct listen_options {
    /// How many connections the kernel queues; 0: the system's maximum (SOMAXCONN). An endpoint's backlog=
    /// takes precedence. A negative number is refused with std::invalid_argument.
    int backlog = 0;
    exhaustion_policy when_exhausted = exhaustion_policy::shed;
    /// Used only by a sharded_listener.
    bight::sharding sharding = bight::sharding::automatic;
    /// For the listening socket before it is bound; connections inherit them. Those of an endpoint take
    /// precedence.
    socket_options socket = {};
};

/// Options of `serve`.
struct serve_options {
    listen_options listen = {};
    /// How long connections may take to end by themselves after serve is cancelled, before they are
    /// cancelled.
    duration drain = std::chrono::seconds(2);
    /// stream::set_close_deadline of each connection: after its coroutine has returned, how long sending the
    /// rest of an outbox may take, and how long the peer may take to end.
    duration close_deadline = std::chrono::seconds(10);
    /// How long a connection may be silent in both directions, as with_idle_timeout counts it. Then its
    /// coroutine is cancelled, and log_level::info says so: silent clients are a matter of course, so without
    /// a log handler nothing is written. It counts from the accept to the end of the
    /// coroutine. duration::max(): for ever; serve refuses zero and less with std::invalid_argument.
    duration idle_timeout = duration::max();
    /// The maximum number of connections at a time: further ones wait in the backlog. 0: no limit. A
    /// connection counts until both sides have closed it.
    std::uint32_t max_connections = 0;
};

/// Options of `connect`.
struct connect_options {
    /// For everything together: the name look-up and all addresses that are tried. An endpoint's timeout=
    /// takes precedence.
    duration timeout = std::chrono::seconds(30);
    /// Where to connect from (bind(2)): an address of this machine, and a port or 0. An endpoint's interface=
    /// and local_port= take precedence. Only addresses of its family are tried. A port may be connected from
    /// several times, but not to the same address and port (EADDRNOTAVAIL).
    address local = {};
    /// For the socket before it connects. Those of an endpoint take precedence.
    socket_options socket = {};
    /// Looks up the endpoint's name, and must outlive the connect; null: system_resolver().
    bight::resolver* resolver = nullptr;
};

static_assert(std::is_trivially_destructible_v<listen_options> &&
              std::is_trivially_destructible_v<serve_options> &&
              std::is_trivially_destructible_v<connect_options>);  // see reactor_options

}  // namespace bight
