// What TCP does when one end of a connection does not hear the other any more.
#pragma once

#include "world_state.hpp"

#include <memory>

namespace bight::sim::detail {

// Nothing of it takes an event, or a draw, as long as both ends hear each other. Packets that cannot arrive
// wait where they are (world_state::send); here is who loses patience meanwhile.

/// A link, or a host, carries again, or no more: who is at either end of a connection may have noticed.
void contact_changed(world_state& w);
/// The same for one connection, from `s`.
void contact_changed(world_state& w, const std::shared_ptr<socket>& s);
/// `from` stood still, and does not any more.
void send_again(host_state& from);
/// `s` has something to send now, or its keep-alive was turned on.
void begin_patience(world_state& w, const std::shared_ptr<socket>& s);
/// Whether it has sent what its peer has not acknowledged, or has more to send.
bool awaits_acknowledgement(const socket& s) noexcept;
/// Its peer has acknowledged so many bytes, and its end if it has `ended`: it is told when the way back is
/// open.
void acknowledge(world_state& w, const std::shared_ptr<socket>& sender, std::size_t bytes, bool ended);

}  // namespace bight::sim::detail
