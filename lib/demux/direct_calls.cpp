#include "direct_calls.hpp"

#include "demultiplexer.hpp"

namespace bight::detail {

static_assert(block_pool::block_size == receive_size::sizes[0]);

namespace {

// After a call that failed, with `error`.
int receive_failed(descriptor& d, int error) noexcept {
    if (error != EAGAIN) return -error;
    d.may_read = false;
    d.drain = false;
    return -EAGAIN;
}

}  // namespace

int receive_bytes(descriptor& d, void* memory, std::size_t size) noexcept {
    std::ptrdiff_t got = 0;
    int error = 0;
    do {
        got = receive_call(d.fd, memory, size);
        error = got < 0 ? last_socket_error() : 0;
    } while (error == EINTR);
    if (got < 0) return receive_failed(d, error);
    const bool emptied = got > 0 && static_cast<std::size_t>(got) < size;
    if (emptied && d.short_read_empties && !d.drain) d.may_read = false;
    return static_cast<int>(got);
}

std::ptrdiff_t receive_in_bulk(descriptor& d, block_pool::block& block, chunk& out) noexcept {
    block_pool& pool = *block.pool;
    const int got = receive_bytes(d, block.bytes(), pool.size());
    if (got <= 0) {
        pool.give_back(block);
        return got;
    }
    const auto size = static_cast<std::size_t>(got);
    d.receiving.received(size, pool.size());
    out.fill(block, block.bytes(), size);
    return got;
}

// A signal does not interrupt a call that does not wait; if it did, the call is made again.
std::ptrdiff_t no_chunk(descriptor& d, block_pool::block& block, std::ptrdiff_t got, chunk& out) noexcept {
    const int error = got < 0 ? last_socket_error() : 0;
    if (error == EINTR) return receive_in_bulk(d, block, out);
    const std::ptrdiff_t result = got == 0 ? 0 : receive_failed(d, error);
    block.pool->give_back(block);
    return result;
}

std::ptrdiff_t receive_bulk_chunk(descriptor& d, block_pool& pool, chunk& out) noexcept {
    block_pool::block* block = d.demux->blocks_for_bulk().take(d.receiving);
    if (!block) block = pool.take();
    return block ? receive_in_bulk(d, *block, out) : -ENOMEM;
}

attempt send_what_fits(send_operation& op) noexcept {
    descriptor& d = *op.on;
    std::size_t bytes_left = transfer_budget;
    op.advance(0);  // pieces of no bytes
    for (unsigned calls = 0; op.piece_count > 0; ++calls) {
        if (bytes_left == 0 || calls == call_budget) return attempt::unfinished;
        const sendable next = next_to_send(op, bytes_left);
        const std::ptrdiff_t sent = next.count == 1 ? send_call(d.fd, op.pieces->data, next.size)
                                                    : send_pieces_call(d.fd, op.pieces, next.count);
        if (sent >= 0) {
            bytes_left -= static_cast<std::size_t>(sent);
            op.advance(static_cast<std::size_t>(sent));
            continue;
        }
        const int error = last_socket_error();
        if (error == EAGAIN || error == EWOULDBLOCK) {
            d.may_write = false;
            return attempt::would_block;
        }
        if (error != EINTR) {
            op.result = -error;
            return attempt::done;
        }
    }
    op.result = 0;
    return attempt::done;
}

}  // namespace bight::detail
