#include "operation.hpp"

#include "demultiplexer.hpp"
#include "ring_state.hpp"

#include <algorithm>
#include <cerrno>

namespace bight::detail {

descriptor::~descriptor() { delete ring; }

// Lines are short, and most are empty: a socket has one reader and one writer. So no descriptor stores its
// last ones.
bool join_line(operation& op) noexcept {
    operation*& first = place_of(op);
    op.behind = nullptr;
    if (!first) {
        first = &op;
        return true;
    }
    operation* last = first;
    while (last->behind) last = last->behind;
    last->behind = &op;
    return false;
}

void leave_line(operation& op) noexcept {
    operation*& first = place_of(op);
    if (first == &op) {
        first = op.behind;
    } else {
        operation* before = first;
        while (before->behind != &op) before = before->behind;
        before->behind = op.behind;
    }
    op.behind = nullptr;
}

sendable next_to_send(const send_operation& op, std::size_t limit) noexcept {
    sendable next;
    if (op.piece_count == 0) return next;
    next = {1, std::min(op.pieces->size, limit)};
    const std::size_t most = std::min(op.piece_count, pieces_of_a_call);
    while (next.count < most && op.pieces[next.count].size <= limit - next.size) {
        next.size += op.pieces[next.count].size;
        ++next.count;
    }
    return next;
}

void operation::run() noexcept {
    descriptor* d = on;
    if (!d) {
        in_flight = false;
        completed();
        return;
    }
    if (!settled && d->demux) {
        if (!d->demux->settle(*this)) return;
    } else if (!settled) {  // its descriptor was detached while it was queued
        result = -ECANCELED;
    }
    in_flight = false;
    completed();
    d->drop();
}

}  // namespace bight::detail
