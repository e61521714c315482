// Receives of the io_uring demultiplexer by a plain call, after a poll if they have to wait: from a socket
// from which data comes in bulk, and when chunks hold all of the kernel's buffers.
#include "direct_calls.hpp"
#include "tool_annotations.hpp"
#include "uring.hpp"

#include <cerrno>
#include <new>

namespace bight::detail {

// A socket from which data comes in bulk: what is there is taken by a plain call into a large block, which
// the socket does not hold while it waits. The other ways are worse for large messages: buffers of a ring are
// used in turn, so that none is in the processor's cache, and a submitted receive holds its block while it
// waits.
bool uring::take_in_bulk(operation& op) noexcept {
    descriptor& d = *op.on;
    if (op.kind != operation_kind::receive || !d.receiving.bulk() || !d.may_read || d.ring->armed)
        return false;
    block_pool::block* block = blocks_for_bulk().take(d.receiving);
    if (!block && d.receiving.next() == 0) block = own_block();
    if (!block) {
        if (blocks_for_bulk().has_room()) d.receiving = receive_size();  // no memory: small receives, for now
        return false;
    }
    chunk& data = static_cast<receive_operation&>(op).target->data;
    data.reset();
    op.result = receive_in_bulk(d, *block, data);
    socket_has_received(op.result);
    return op.result != -EAGAIN;
}

// Of the small size of the other demultiplexers; null when memory is exhausted.
block_pool::block* uring::own_block() noexcept {
    if (!own_blocks_)
        own_blocks_ =
            new (std::nothrow) block_pool(buffers_, block_pool::block_size, block_pool::kept_blocks);
    return own_blocks_ ? own_blocks_->take() : nullptr;
}

// For when chunks hold all of the kernel's buffers, so that tasks which keep chunks do not block others: into
// a block of our own, which is taken only now that something has come.
bool uring::take_into_own(receive_operation& op) noexcept {
    descriptor& d = *op.on;
    if (!d.ring->starved || !d.may_read) return false;
    block_pool::block* const block = own_block();
    op.target->data.reset();
    op.result = block ? receive_in_bulk(d, *block, op.target->data) : -ENOMEM;
    socket_has_received(op.result);
    if (op.result == -EAGAIN) return false;
    d.ring->starved = false;  // after this one, the buffer ring is tried again
    return true;
}

void uring::receive_polled(receive_operation& op, int result) noexcept {
    op.on->may_read = true;
    if (result < 0 || op.on->fd < 0) {  // it failed, was cancelled, or its descriptor was detached meanwhile
        finish(op, result < 0 ? result : -ECANCELED);
    } else if (take_in_bulk(op) || take_into_own(op)) {
        finish(op, op.result);
    } else if (op.cancel_asked) {
        finish(op, -ECANCELED);
    } else if (!op.on->may_read) {  // there was nothing: see room_polled
        submit_read_poll(op, true);
    } else if (!hand_over(op)) {
        finish(op, -ENOMEM);
    }
}

}  // namespace bight::detail
