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
inline int receive_bytes(descriptor& d, void* memory, std::size_t size) noexcept {
    ssize_t got = 0;
    do {
        got = ::recv(d.fd, memory, size, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got > 0) [[likely]] {
        if (static_cast<std::size_t>(got) < size && d.short_read_empties && !d.drain) d.may_read = false;
        return static_cast<int>(got);
    }
    if (got == 0) return 0;
    if (errno != EAGAIN) return -errno;
    d.may_read = false;
    d.drain = false;
    return -EAGAIN;
}

/// The same into a block of `pool`, which is put into `out` (an empty chunk) if anything came.
inline int receive_chunk(descriptor& d, block_pool& pool, chunk& out) noexcept {
    block_pool::block* block = pool.take();
    if (!block) [[unlikely]]
        return -ENOMEM;
    const int got = receive_bytes(d, block->bytes(), block_pool::block_size);
    if (got > 0) [[likely]] {
        out.fill(*block, block->bytes(), static_cast<std::size_t>(got));
    } else {
        pool.give_back(*block);
    }
    return got;
}

/// send(2) of one piece: the number of bytes, or -1 and errno.
inline ssize_t send_piece(const descriptor& d, const const_buffer& piece) noexcept {
    return ::send(d.fd, piece.data, piece.size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace bight::detail
