// The lines of operations of the IOCP demultiplexer: which one has its turn, and how it ends.
#include "iocp.hpp"
#include "pipe_results.hpp"

#include "../core/system_error.hpp"

#include <cerrno>
#include <utility>

namespace bight::detail {

bool iocp::start(operation& op) noexcept {
    op.settled = op.cancel_asked = op.underway = false;
    op.stage = stage_begins;
    op.request = nullptr;
    if (!op.on) return start_file(static_cast<file_operation&>(op));
    attempt made = attempt::would_block;
    if (!place_of(op)) {
        made = go(op, true);
        if (made == attempt::done) return true;
    }
    op.on->keep();
    op.in_flight = true;
    join_line(op);
    if (made == attempt::unfinished) go_on_later(op, stage_queued);
    return false;
}

bool iocp::cancel(operation& op) noexcept {
    if (op.settled) return false;
    op.cancel_asked = true;
    if (!op.on) {
        if (completion_request* const r = op.request) {
            cancel_call(*r);
            return false;
        }
        if (!calls_ || !calls_->cancel(static_cast<file_operation&>(op))) return false;
        op.in_flight = false;
        count_without_descriptor(-1);
        return true;
    }
    if (completion_request* const r = op.request) {
        if (r->what == completion_request::purpose::transfer) {
            cancel_call(*r);
            return false;
        }
        abandon(*r);
        op.underway = false;
    } else if (op.stage == stage_queued || op.stage == stage_failed) {
        return false;  // it will be tried once more, and completes with what comes of that
    }
    descriptor& d = *op.on;
    make_way(op);
    op.in_flight = false;
    d.drop();
    return true;
}

// A read that was cancelled while it was queued still takes what is there. A cancelled send is not tried,
// since nothing could be lost.
bool iocp::settle(operation& op) noexcept {
    const bool wait_failed = op.stage == stage_failed;
    const std::int64_t why = op.result;
    op.stage = op.kind == operation_kind::connect ? stage_connecting : stage_begins;
    const bool hopeless = op.cancel_asked && !reads(op.kind) && op.kind != operation_kind::connect;
    const attempt made = hopeless ? attempt::would_block : go(op, !op.cancel_asked && !wait_failed);
    if (made != attempt::done) {
        if (!op.cancel_asked && !wait_failed) {
            if (made == attempt::unfinished) go_on_later(op, stage_queued);
            return false;
        }
        op.result = op.cancel_asked ? -ECANCELED : why;
    } else if (wait_failed && reads(op.kind) && op.result == 0) {
        op.result = why;  // an error that was told once, and is an end the next time
    }
    make_way(op);
    return true;
}

// Makes the calls of the operation that has its turn. would_block: it is with the kernel, if it may wait.
attempt iocp::go(operation& op, bool may_wait) noexcept {
    const int what = op.on->slot;
    const bool socket = (what & is_socket) != 0;
    switch (op.kind) {
        case operation_kind::receive: return receive(static_cast<receive_operation&>(op), may_wait);
        case operation_kind::receive_into: return receive_into(static_cast<receive_operation&>(op), may_wait);
        case operation_kind::send: return send(static_cast<send_operation&>(op), may_wait);
        case operation_kind::accept: return accept(op, may_wait);
        case operation_kind::connect: return connect(static_cast<connect_operation&>(op), may_wait);
        case operation_kind::poll_read:
            if (!socket) return wait_for_handle(op, may_wait);
            return poll(op, afd_receive | afd_accept | afd_disconnect | afd_abort | afd_local_close,
                        may_wait);
        case operation_kind::poll_write:
            if (!socket) return failed(op, EOPNOTSUPP);
            return poll(op, afd_send | afd_abort | afd_local_close | afd_connect_failed, may_wait);
        case operation_kind::read:
            if (socket) return receive_into(static_cast<receive_operation&>(op), may_wait);
            return read(static_cast<receive_operation&>(op), may_wait);
        case operation_kind::write:
            if (socket) return send(static_cast<send_operation&>(op), may_wait);
            return write(static_cast<send_operation&>(op), may_wait);
        case operation_kind::receive_message:
        case operation_kind::send_message:
        case operation_kind::receive_datagrams:
        case operation_kind::send_datagrams: return message(op, may_wait);
        case operation_kind::wait_process: return wait_for_handle(op, may_wait);
        default: return failed(op, EINVAL);
    }
}

// Queues it; before it runs, the reactor polls the kernel.
void iocp::go_on_later(operation& op, stage how) noexcept {
    op.stage = how;
    detail::reactor_access::schedule(home_, op);
    detail::reactor_access::poll_soon(home_);
}

// It has ended: the next ones have their turn.
void iocp::make_way(operation& op) noexcept {
    operation*& first = place_of(op);
    const bool had_its_turn = first == &op;
    leave_line(op);
    if (had_its_turn) begin_line(first);
}

void iocp::begin_line(operation*& first) noexcept {
    while (first && !begin(*first)) {
    }
}

// False when it has ended at once.
bool iocp::begin(operation& op) noexcept {
    const attempt made = go(op, true);
    if (made == attempt::unfinished) go_on_later(op, stage_queued);
    if (made != attempt::done) return true;
    leave_line(op);
    settle_now(op, op.result);
    return false;
}

// The first one of its line, unless its descriptor was detached. It completes before those that end after it.
void iocp::finish(operation& op, std::int64_t result) noexcept {
    const bool attached = op.on->demux != nullptr;
    if (attached) leave_line(op);
    settle_now(op, result);
    if (attached) begin_line(place_of(op));
}

void iocp::settle_now(operation& op, std::int64_t result) noexcept {
    op.result = result;
    op.settled = true;
    detail::reactor_access::schedule(home_, op);
}

// Its descriptor is being detached. Only the first one can be with the kernel: a transfer ends with its
// packet.
void iocp::end_line(operation*& first) noexcept {
    operation* op = std::exchange(first, nullptr);
    if (!op) return;
    operation* behind = std::exchange(op->behind, nullptr);
    op->cancel_asked = true;
    completion_request* const r = op->request;
    if (r && r->what == completion_request::purpose::transfer) {
        cancel_call(*r);
    } else if (r) {
        abandon(*r);
        op->underway = false;
        settle_now(*op, -ECANCELED);
    } else if (op->stage != stage_queued && op->stage != stage_failed) {
        settle_now(*op, -ECANCELED);
    }  // otherwise it ends when it leaves the ready queue
    while (behind) settle_now(*std::exchange(behind, std::exchange(behind->behind, nullptr)), -ECANCELED);
}

// Its packet has been taken.
void iocp::completed(operation& op, completion_request& r) noexcept {
    if (r.what == completion_request::purpose::transfer) {
        transferred(op, r);
    } else {
        waited(op, r);
    }
}

void iocp::transferred(operation& op, completion_request& r) noexcept {
    const auto status = static_cast<LONG>(r.overlapped.Internal);
    const DWORD error = status < 0 ? windows_error_of(status) : 0;
    std::int64_t result =
        error != 0 ? -error_number(error) : static_cast<std::int64_t>(r.overlapped.InternalHigh);
    const bool attached = op.on->demux != nullptr;
    if (op.kind == operation_kind::accept) {
        result = accepted(op, r);
    } else if (op.kind == operation_kind::connect) {
        if (error == 0) result = connected(op);
    } else if (op.kind == operation_kind::read) {
        if (error != 0) {
            result = pipe_read_result(error);
        } else if (result == 0 && (op.on->slot & is_socket) == 0) {
            result = -ECANCELED;  // by a write of no bytes: it goes on, unless it was given up
        }
    } else if (op.kind == operation_kind::write) {
        auto& write = static_cast<send_operation&>(op);
        if (error == 0) write.advance(static_cast<std::size_t>(result));
        if (error != 0) result = pipe_write_result(error);
        if (error == 0 && attached && !op.cancel_asked && write.piece_count > 0) {
            go_on_later(op, stage_queued);
            return;
        }
        if (error == 0) result = write.piece_count == 0 ? 0 : -ECANCELED;
    }
    const bool given_up = op.cancel_asked || !attached;
    if (result == -ECANCELED && !given_up &&
        reads(op.kind)) {  // by somebody else, as with the end of a thread
        go_on_later(op, stage_queued);
        return;
    }
    finish(op, result < 0 && given_up ? -ECANCELED : result);
}

// Of a wait that nobody has abandoned, so that its descriptor is still attached.
void iocp::waited(operation& op, const completion_request& r) noexcept {
    const auto status = static_cast<LONG>(r.overlapped.Internal);
    const int error = status < 0 ? error_number(windows_error_of(status)) : 0;
    (reads(op.kind) ? op.on->may_read : op.on->may_write) = true;
    if (op.kind == operation_kind::poll_read || op.kind == operation_kind::poll_write) {
        const bool closed = r.what == completion_request::purpose::poll && error == 0 &&
                            (r.polled.polled.events & afd_local_close) != 0;
        finish(op, closed ? -EBADF : -error);
    } else {
        op.result = -error;
        op.stage = error != 0 ? stage_failed : stage_queued;
        detail::reactor_access::schedule(home_, op);
    }
}

}  // namespace bight::detail
