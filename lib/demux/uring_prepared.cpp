// Operations of the io_uring demultiplexer that users prepare.
#include "prepared_operation.hpp"
#include "uring.hpp"

#include <cerrno>
#include <cstring>

namespace bight::detail {

void uring::submit_prepared(prepared_operation& op) noexcept {
    io_uring_sqe& sqe = entry_for(op);
    std::memset(&sqe, 0, sizeof sqe);
    op.prepare(sqe);
    const bool completes_twice = sqe.opcode == IORING_OP_SEND_ZC || sqe.opcode == IORING_OP_SENDMSG_ZC;
    op.stage = completes_twice ? stage_prepared_twice : stage_prepared;
    sqe.user_data = tagged(&op, tag_operation);
}

// The first completion has the result. Of a zero-copy send another one follows when the kernel no longer uses
// the memory; of a multishot others would, without an end.
void uring::prepared_done(prepared_operation& op, const io_uring_cqe& cqe) noexcept {
    const bool more = (cqe.flags & IORING_CQE_F_MORE) != 0;
    const bool first = op.stage != stage_prepared_ends;
    if (first) {
        op.result = cqe.res == -EINTR && op.cancel_asked ? -ECANCELED : cqe.res;  // a worker was interrupted
        op.completion_flags = cqe.flags;
    }
    if (more) {
        if (op.stage == stage_prepared) submit_cancel(tagged(&op, tag_operation));
        op.stage = stage_prepared_ends;
        return;
    }
    op.underway = false;
    count_without_descriptor(-1);
    settle_now(op, op.result);
}

}  // namespace bight::detail
