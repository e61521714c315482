// Receive and send calls that are made directly where readiness is waited for: by those demultiplexers, and
// by a transport that makes them itself, because a round through an operation costs more than the call's own
// instructions (demultiplexer::tries_first).
#pragma once

#include "block_pool.hpp"
#include "operation.hpp"

#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>

namespace bight::detail {

/// recv(2) of at most transfer_budget bytes into `memory`; updates the descriptor's readiness. Returns the
/// number of bytes, 0 at the end of the stream, or -errno; -EAGAIN when the socket is empty.
int receive_bytes(descriptor& d, void* memory, std::size_t size) noexcept;

/// Of a receive of `got` bytes into `size`: whether it has emptied the socket.
inline void note_received(descriptor& d, std::size_t got, std::size_t size) noexcept {
    if (got < size && d.short_read_empties && !d.drain) d.may_read = false;
}

/// What is left to do after a receive_chunk whose call gave nothing: `got` is 0 or negative (errno).
[[gnu::noinline]] ssize_t no_chunk(descriptor& d, block_pool::block& block, ssize_t got, chunk& out) noexcept;

/// As receive_bytes, into a block of `pool`, which is put into `out` (an empty chunk) if anything came.
inline ssize_t receive_chunk(descriptor& d, block_pool& pool, chunk& out) noexcept {
    block_pool::block* block = pool.take();
    if (!block) [[unlikely]]
        return -ENOMEM;
    const ssize_t got = ::recv(d.fd, block->bytes(), block_pool::block_size, MSG_DONTWAIT);
    if (got <= 0) [[unlikely]]
        return no_chunk(d, *block, got, out);
    note_received(d, static_cast<std::size_t>(got), block_pool::block_size);
    out.fill(*block, block->bytes(), static_cast<std::size_t>(got));
    return got;
}

/// send(2) of one piece: the number of bytes, or -1 and errno.
inline ssize_t send_piece(const descriptor& d, const const_buffer& piece) noexcept {
    return ::send(d.fd, piece.data, piece.size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace bight::detail
