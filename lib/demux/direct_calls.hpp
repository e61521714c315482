// Receive and send calls that are made directly where readiness is waited for: by those demultiplexers, and
// by a transport that makes them itself, because a round through an operation costs more than the call's own
// instructions (demultiplexer::tries_first).
#pragma once

#include "block_pool.hpp"
#include "operation.hpp"
#include "stream_calls.hpp"
#include "tried_calls.hpp"

#include <cerrno>
#include <cstddef>

namespace bight::detail {

/// recv(2) of at most transfer_budget bytes into `memory`; updates the descriptor's readiness. Returns the
/// number of bytes, 0 at the end of the stream, or -errno; -EAGAIN when the socket is empty.
int receive_bytes(descriptor& d, void* memory, std::size_t size) noexcept;

/// As receive_bytes, into `block`, which is put into `out` (an empty chunk) if anything came.
std::ptrdiff_t receive_in_bulk(descriptor& d, block_pool::block& block, chunk& out) noexcept;

/// What is left to do after a receive_chunk whose call gave nothing: `got` is 0 or negative
/// (last_socket_error).
[[gnu::noinline]] std::ptrdiff_t no_chunk(descriptor& d, block_pool::block& block, std::ptrdiff_t got,
                                          chunk& out) noexcept;
/// A receive_chunk of a socket from which data comes in bulk.
[[gnu::noinline]] std::ptrdiff_t receive_bulk_chunk(descriptor& d, block_pool& pool, chunk& out) noexcept;

/// As receive_bytes, into a block of `pool`, or a larger one, which is put into `out` (an empty chunk) if
/// anything came.
inline std::ptrdiff_t receive_chunk(descriptor& d, block_pool& pool, chunk& out) noexcept {
    if (d.receiving.bulk()) [[unlikely]]
        return receive_bulk_chunk(d, pool, out);
    block_pool::block* block = pool.take();
    if (!block) [[unlikely]]
        return -ENOMEM;
    const std::ptrdiff_t got = receive_call(d.fd, block->bytes(), block_pool::block_size);
    if (got <= 0) [[unlikely]]
        return no_chunk(d, *block, got, out);
    if (got < static_cast<std::ptrdiff_t>(block_pool::block_size)) {
        if (d.short_read_empties && !d.drain) d.may_read = false;
    } else {
        d.receiving.filled();
    }
    out.fill(*block, block->bytes(), static_cast<std::size_t>(got));
    return got;
}

/// send(2) of one piece: the number of bytes, or -1, and last_socket_error() tells why.
inline std::ptrdiff_t send_piece(const descriptor& d, const const_buffer& piece) noexcept {
    return send_call(d.fd, piece.data, piece.size);
}

/// As much of an operation of kind send as the socket takes at once, within the budget of a turn. After
/// would_block nothing is tried before the socket is reported as ready (descriptor::may_write).
attempt send_what_fits(send_operation& op) noexcept;

}  // namespace bight::detail
