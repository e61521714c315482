// Polls of the io_uring demultiplexer: for readiness, for room, for each change, and for the end of a peer.
#include "uring.hpp"

#include <poll.h>

#include <cerrno>

namespace bight::detail {

namespace {

// A poll of a socket always ends at the end of the peer (POLLRDHUP), which says nothing about writing.
constexpr int writable_events = POLLOUT | POLLHUP | POLLNVAL;
constexpr int readable_events = POLLIN | POLLRDHUP | POLLHUP | POLLNVAL;

}  // namespace

// With `edges` as submit_room_poll: for a receive that found nothing after a poll.
void uring::submit_read_poll(operation& op, bool edges) noexcept {
    io_uring_sqe& sqe = entry_for(op);
    if (edges) {
        io_uring_prep_poll_multishot(&sqe, op.on->fd, POLLIN | POLLRDHUP);
        op.stage = stage_edges;
    } else {
        io_uring_prep_poll_add(&sqe, op.on->fd, POLLIN);
    }
    sqe.user_data = tagged(&op, tag_operation);
}

// Waits until a write would not block. A one-shot poll completes at once when the peer has ended its side,
// whether or not there is room. With `edges` the poll completes at each change, and goes on until there is
// room.
void uring::submit_room_poll(operation& op, bool edges) noexcept {
    io_uring_sqe& sqe = entry_for(op);
    if (edges) {
        io_uring_prep_poll_multishot(&sqe, op.on->fd, POLLOUT);
    } else {
        io_uring_prep_poll_add(&sqe, op.on->fd, POLLOUT);
    }
    sqe.user_data = tagged(&op, tag_operation);
    op.stage = edges ? stage_edges : stage_poll;
}

// One poll for each descriptor, which outlasts the operation by as long as its cancellation takes.
bool uring::ending_changed(descriptor& d) noexcept {
    ring_state* const state = state_of(d);
    if (!state) return false;
    if (d.ending && !state->end_polled) {
        io_uring_sqe& sqe = entry();
        io_uring_prep_poll_add(&sqe, d.fd, POLLRDHUP);
        sqe.user_data = tagged(&d, tag_end);
        ++in_kernel_;
        state->end_polled = true;
        d.keep();
    } else if (!d.ending && state->end_polled) {
        submit_cancel(tagged(&d, tag_end));
    }
    return true;
}

// A poll that was cancelled may belong to an operation that came after that.
void uring::end_polled(descriptor& d, int result) noexcept {
    d.ring->end_polled = false;
    if (d.ending && d.fd >= 0 && result == -ECANCELED) {
        (void)ending_changed(d);
    } else if (operation* const op = take_ending(d, 0)) {
        detail::reactor_access::schedule(home_, *op);
    }
    d.drop();
}

void uring::room_polled(operation& op, int result, bool more) noexcept {
    if (op.kind == operation_kind::receive_datagrams) {
        datagrams_polled(op, result, more);
        return;
    }
    const bool receives = op.kind == operation_kind::receive;
    const bool room = result > 0 && (result & (receives ? readable_events : writable_events)) != 0;
    if (more) {
        if (room && op.stage == stage_edges) {
            op.stage = stage_ending_edges;
            submit_cancel(tagged(&op, tag_operation));
        }
        return;
    }
    op.underway = false;
    const bool error_only = op.stage == stage_poll && result > 0 && (result & POLLERR) != 0 && !room;
    if (!room && !error_only && op.stage != stage_ending_edges) {
        if (op.cancel_asked) {
            finish(op, -ECANCELED);
        } else if (result > 0 || result == -EINTR) {
            if (receives) {
                submit_read_poll(op, true);
            } else {
                submit_room_poll(op, true);
            }
        } else {
            finish(op, result);
        }
    } else if (receives) {
        op.stage = stage_call;
        receive_polled(static_cast<receive_operation&>(op), 0);
    } else if (op.kind == operation_kind::poll_write) {
        finish(op, result > 0 && (result & POLLNVAL) != 0 ? -EBADF : 0);
    } else if (op.cancel_asked) {
        finish(op, -ECANCELED);
    } else {
        // The call reports the error. If it reports none, the condition is permanent, such as messages in a
        // socket's error queue: then only a change is worth another try.
        op.stage = error_only ? stage_repeated_call : stage_call;
        if (op.kind == operation_kind::send) {
            submit_send(static_cast<send_operation&>(op));
        } else if (const attempt made = try_call_of(op); made == attempt::done) {
            finish(op, op.result);
        } else {
            submit_room_poll(op, made == attempt::would_block && error_only);
        }
    }
}

// A poll at each change. That of an error may be one of the network, which only the call tells, while that of
// a message in the error queue stays: so the call is made at each, before the poll is ended.
void uring::datagrams_polled(operation& op, int result, bool more) noexcept {
    const bool given_up = op.cancel_asked || op.on->fd < 0;
    if (op.stage == stage_edges && !given_up && result >= 0 && try_call_of(op) == attempt::done) {
        op.stage = stage_ending_edges;  // with this result
        if (more) submit_cancel(tagged(&op, tag_operation));
    }
    if (more) return;
    op.underway = false;
    if (op.stage == stage_ending_edges) {
        finish(op, op.result);
    } else if (given_up) {
        finish(op, -ECANCELED);
    } else if (result >= 0 || result == -EINTR) {
        submit_read_poll(op, true);
    } else {
        finish(op, result);
    }
}

}  // namespace bight::detail
