// Operations of the io_uring demultiplexer that users prepare.
#include "prepared_operation.hpp"
#include "uring.hpp"

#include <cerrno>

namespace bight::detail {

void uring::submit_prepared(prepared_operation& op) noexcept {
    // Apart from the queue: what it calls may submit that.
    io_uring_sqe prepared{};
    op.prepare(prepared);
    if (op.cancel_asked) {  // by itself
        count_without_descriptor(-1);
        settle_now(op, -ECANCELED);
        return;
    }
    const bool completes_twice =
        prepared.opcode == IORING_OP_SEND_ZC || prepared.opcode == IORING_OP_SENDMSG_ZC;
    op.stage = completes_twice ? stage_prepared_twice : stage_prepared;
    io_uring_sqe& sqe = entry_for(op);
    sqe = prepared;
    sqe.user_data = tagged(&op, tag_operation);
}

// The first completion has the result. Of a zero-copy send another one follows when the kernel no longer uses
// the memory; of a multishot others would, without an end: it is cancelled, again after each completion that
// the cancel has missed.
void uring::prepared_done(prepared_operation& op, const io_uring_cqe& cqe) noexcept {
    if (op.stage <= stage_prepared_twice) {
        op.result = cqe.res == -EINTR && op.cancel_asked ? -ECANCELED : cqe.res;  // a worker was interrupted
        op.completion_flags = cqe.flags;
    }
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) {
        op.underway = false;
        count_without_descriptor(-1);
        settle_now(op, op.result);
    } else if (op.stage == stage_prepared_twice) {
        op.stage = stage_prepared_lent;
    } else if (op.stage != stage_prepared_lent) {
        op.stage = stage_prepared_ends;
        submit_cancel(tagged(&op, tag_operation));
    }
}

}  // namespace bight::detail
