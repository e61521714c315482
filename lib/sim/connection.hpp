// Simulated TCP and Unix-domain stream connections.
#pragma once

#include "world_state.hpp"

#include <cstddef>
#include <memory>
#include <string_view>

namespace bight::sim::detail {

// The behaviour of TCP as far as programs can see it: bytes arrive in order, cut anywhere, with as many in
// flight as the receiver's window permits; an end after the last byte; a reset, which discards what has not
// arrived. A lost packet is simulated as a late one.
//
// Unix-domain sockets behave the same without a network: each end notices at once what the other has done.

/// Starts to connect, with the random numbers of thread `by`. Returns 0 when the attempt is in progress,
/// otherwise -errno.
int begin_connect(world_state& w, const std::shared_ptr<socket>& s, const address& to, host_thread& by);
/// How many bytes the socket can take from the program now.
std::size_t room(const socket& s) noexcept;
/// Takes bytes from the program, at most `room(s)`; the socket must be connected.
void give(world_state& w, const std::shared_ptr<socket>& s, std::string_view bytes);
/// The program has taken bytes out of `incoming`.
void taken(world_state& w, const socket& s);
/// For this time, limits the buffers of both ends for data from `s` to its peer to `most` bytes (more than
/// 0).
void narrow_for(world_state& w, const std::shared_ptr<socket>& s, std::size_t most, duration d);
/// Sends what can be sent now.
void pump(world_state& w, const std::shared_ptr<socket>& s);
/// Ends the outgoing direction after the outgoing bytes.
void end_writing(world_state& w, const std::shared_ptr<socket>& s);
/// The program has closed the socket: outgoing bytes are still sent, unless it is to be aborted.
void let_go(world_state& w, const std::shared_ptr<socket>& s);
/// Ends it with a reset for the peer, and `error` here.
void reset(world_state& w, const std::shared_ptr<socket>& s, int error);
/// The socket has waited for its peer in vain: it fails with `error`, and the peer is not told.
void give_up(socket& s, int error);
/// The host has crashed: the socket is gone, and the peer is not told.
void vanish(socket& s) noexcept;
/// Wake the reader, or the writer, to look at what has changed.
void tell_reader(socket& s);
void tell_writer(socket& s);

}  // namespace bight::sim::detail
