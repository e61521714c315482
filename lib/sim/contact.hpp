// The time-outs of simulated TCP connections: retransmission and keep-alive.
#pragma once

#include "world_state.hpp"

#include <memory>

namespace bight::sim::detail {

// As long as both ends hear each other, none of this needs an event or a random number. Packets that cannot
// arrive wait where they are (world_state::send); this decides which end gives up meanwhile.

/// A link or a host has begun or ceased to carry packets: updates all connections.
void contact_changed(world_state& w);
/// The same for one connection, from `s`.
void contact_changed(world_state& w, const std::shared_ptr<socket>& s);
/// `from` is no longer paused: its sockets send again.
void send_again(host_state& from);
/// Starts the time-outs: `s` has something to send now, or its keep-alive was turned on.
void begin_patience(world_state& w, const std::shared_ptr<socket>& s);
/// Whether it has sent what its peer has not acknowledged, or has more to send.
bool awaits_acknowledgement(const socket& s) noexcept;
/// The peer of `sender` has acknowledged `bytes` bytes, and its end if it has `ended`: the sender notices
/// when the way back is open.
void acknowledge(world_state& w, const std::shared_ptr<socket>& sender, std::size_t bytes, bool ended);

}  // namespace bight::sim::detail
