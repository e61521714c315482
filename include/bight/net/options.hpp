// How to listen, serve and connect.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

#include <chrono>
#include <cstdint>
#include <type_traits>

namespace BIGHT_EXPORT bight {

/// What a listener does when the process is out of descriptors (EMFILE, ENFILE) or the kernel of memory.
enum class exhaustion_policy : std::uint8_t {
    shed,  ///< accepts the waiting connections and closes them at once: clients see a close rather than a
           ///< hang
    wait,  ///< leaves them in the backlog, and looks again every 100 ms
};

/// How a sharded_listener spreads connections over the reactors of a runtime.
enum class sharding : std::uint8_t {
    automatic,   ///< reuse_port for TCP where the system has it, else hand_over
    reuse_port,  ///< each reactor has a socket of its own at the one address (SO_REUSEPORT), and the kernel
                 ///< chooses by a hash of both ends' addresses; TCP only
    hand_over,   ///< one reactor accepts, and hands the connections to all in turn
};

/// How to listen: for `listen`, and within serve_options.
struct listen_options {
    /// How many connections the kernel queues; 0: the system's maximum (SOMAXCONN). An endpoint's backlog=
    /// goes before it. Less than 0 is a std::invalid_argument.
    int backlog = 0;
    exhaustion_policy when_exhausted = exhaustion_policy::shed;
    /// For a sharded_listener; a listener that stands alone does not look at it.
    bight::sharding sharding = bight::sharding::automatic;
};

/// How `serve` treats its connections.
struct serve_options {
    listen_options listen = {};
    /// On cancellation, how long connections may take to end by themselves before they are cancelled.
    duration drain = std::chrono::seconds(2);
    /// stream::set_close_deadline of each connection, for the time when its coroutine has returned and its
    /// handle is gone: how long what an outbox still holds may take to go out, and how long the peer may take
    /// to end.
    duration close_deadline = std::chrono::seconds(10);
    /// At most this many connections at a time: further ones wait in the backlog. 0: no limit. A connection
    /// counts until it is closed on both sides.
    std::uint32_t max_connections = 0;
};

/// How `connect` tries.
struct connect_options {
    /// For the whole of it: name look-up, and every address that is tried. An endpoint's timeout= goes before
    /// it.
    duration timeout = std::chrono::seconds(30);
};

static_assert(std::is_trivially_destructible_v<listen_options> &&
              std::is_trivially_destructible_v<serve_options> &&
              std::is_trivially_destructible_v<connect_options>);  // see reactor_options

}  // namespace bight
