// Receives of the io_uring demultiplexer from a socket from which data comes in bulk.
#include "direct_calls.hpp"
#include "tool_annotations.hpp"
#include "uring.hpp"

#include <cerrno>

namespace bight::detail {

// A socket from which data comes in bulk: what is there is taken by a plain call into a large block, which
// the socket does not hold while it waits. The other ways are worse for large messages: buffers of a ring are
// used in turn, so that none is in the processor's cache, and a submitted receive holds its block while it
// waits.
bool uring::take_in_bulk(operation& op) noexcept {
    descriptor& d = *op.on;
    if (op.kind != operation_kind::receive || !d.receiving.bulk() || !d.may_read || d.ring->armed)
        return false;
    block_pool::block* const block = blocks_for_bulk().take(d.receiving);
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

void uring::bulk_polled(receive_operation& op, int result) noexcept {
    op.on->may_read = true;
    op.stage = stage_receive;
    if (result < 0 || op.on->fd < 0) {  // it failed, was cancelled, or its descriptor was detached meanwhile
        finish(op, result < 0 ? result : -ECANCELED);
    } else if (take_in_bulk(op)) {
        finish(op, op.result);
    } else if (op.cancel_asked) {
        finish(op, -ECANCELED);
    } else if (!hand_over(op)) {
        finish(op, -ENOMEM);
    }
}

}  // namespace bight::detail
