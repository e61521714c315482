// Streams between simulated sockets.
#pragma once

#include "world_state.hpp"

#include <cstddef>
#include <memory>
#include <string_view>

namespace bight::sim::detail {

// What TCP does, as far as programs can see it: bytes in order, cut anywhere, as many on the way as the
// window of the receiver has room for; an end after the last byte; a reset, which discards what has not
// arrived. A packet that is lost is a packet that is late.
//
// And what a Unix socket does: the same without a network, so that each end knows at once what the other has
// done.

/// Starts to connect, by the chance of a thread. 0: it is under way, and `attempt_answered` follows; else
/// -errno.
int begin_connect(world_state& w, const std::shared_ptr<socket>& s, const address& to, host_thread& by);
/// How many bytes it takes from the program now.
std::size_t room(const socket& s) noexcept;
/// Takes bytes from the program, no more than there is room for; it is connected.
void give(world_state& w, const std::shared_ptr<socket>& s, std::string_view bytes);
/// The program has taken bytes out of `incoming`.
void taken(world_state& w, const socket& s);
/// For so long the two ends hold no more than `most` bytes (above 0) of what goes from here to there.
void narrow_for(world_state& w, const std::shared_ptr<socket>& s, std::size_t most, duration d);
/// Sends what there is to send.
void pump(world_state& w, const std::shared_ptr<socket>& s);
/// No more from here, after what is outgoing.
void end_writing(world_state& w, const std::shared_ptr<socket>& s);
/// The program has let go of it: what is outgoing still goes, unless it is to be aborted.
void let_go(world_state& w, const std::shared_ptr<socket>& s);
/// Ends it with a reset for the peer, and `error` here.
void reset(world_state& w, const std::shared_ptr<socket>& s, int error);
/// It has waited for its peer in vain: an error here, and the peer is not told.
void give_up(socket& s, int error);
/// The host died under it: it is gone, and nobody is told.
void vanish(socket& s) noexcept;
/// Something has changed for who waits for it.
void tell_reader(socket& s);
void tell_writer(socket& s);

}  // namespace bight::sim::detail
