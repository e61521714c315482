#include "readiness.hpp"

#include "block_pool.hpp"
#include "descriptor_calls.hpp"
#include "direct_calls.hpp"
#include "stream_calls.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <new>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

bool took_all(const receive_datagrams_operation& op) noexcept {
    const auto asked = static_cast<std::int64_t>(std::min(op.slot_count, most_datagrams_of_a_call));
    return op.few_are_all && !op.on->drain && op.result > 0 && op.result < asked;
}

}  // namespace

readiness::readiness(reactor& home, bool tracks_interest)
    : demultiplexer(*new block_pool, tracks_interest), home_(home) {}

readiness::~readiness() { orphan_all(); }

void readiness::attach(descriptor& d) {
    const auto check = [&d](int result) {
        if (result < 0) throw std::system_error(system_error_code(-result), "fd " + std::to_string(d.fd));
        return result > 0;
    };
    const bool stays = d.is_only_polled || (d.never_waits && flags_forbid_waiting);
    const bool blocking = !stays && check(is_blocking(d.fd));
    keep_from_signals(d.fd);
    d.may_read = d.may_write = true;
    d.drain = false;
    watch(d);
    try {
        if (blocking) check(set_non_blocking(d.fd));
    } catch (...) {
        unwatch(d);
        throw;
    }
    d.was_blocking = blocking;
    list(d);
}

void readiness::detach(descriptor& d, bool close_it) noexcept {
    unwatch(d);
    end_line(d.reading, d.may_read);
    end_line(d.writing, d.may_write);
    if (operation* const op = take_ending(d, -ECANCELED)) detail::reactor_access::schedule(home_, *op);
    if (d.was_blocking) set_blocking(d.fd);
    if (close_it) close_descriptor(d.fd);
    d.fd = invalid_handle;
    unlist(d);
}

// Operations that are queued already end when they run; the others are passed to the heir.
void readiness::hand_on(demultiplexer& heir) noexcept {
    for (const descriptor& d : descriptors()) {
        for (operation* op : {d.reading, d.writing}) {
            if (!op || !is_queued(*op)) continue;
            leave_line(*op);
            op->result = -EBADF;
            op->settled = true;
        }
    }
    demultiplexer::hand_on(heir);
}

// A first operation that is queued already ends when it runs: it finds that its descriptor was detached.
void readiness::end_line(operation*& first, bool queued) noexcept {
    operation* op = std::exchange(first, nullptr);
    while (op) {
        operation* const next = std::exchange(op->behind, nullptr);
        if (op->underway && stop_transfer(*op)) {
            op->cancel_asked = true;
        } else if (!std::exchange(queued, false)) {
            op->result = -ECANCELED;
            op->settled = true;
            detail::reactor_access::schedule(home_, *op);
        }
        op = next;
    }
}

void readiness::woken() noexcept {
    operation* op = calls_ ? calls_->take_done() : nullptr;
    while (op) {
        count_without_descriptor(-1);
        detail::reactor_access::schedule(home_, *std::exchange(op, std::exchange(op->behind, nullptr)));
    }
}

bool readiness::start_call(file_operation& op) noexcept {
    if (!calls_) calls_.reset(new (std::nothrow) blocking_calls(*this));
    if (!calls_ || !calls_->start(op)) {
        op.result = -ENOMEM;
        return true;
    }
    count_without_descriptor(1);
    return false;
}

bool readiness::start(operation& op) noexcept {
    op.settled = op.cancel_asked = op.underway = false;
    if (!op.on) {
        op.in_flight = true;  // before a thread has it
        if (!start_call(static_cast<file_operation&>(op))) return false;
        op.in_flight = false;
        return true;
    }
    descriptor& d = *op.on;
    attempt made = attempt::would_block;
    if ((reads(op.kind) ? d.may_read : d.may_write) && !place_of(op)) {
        made = try_now(op);
        if (made == attempt::done) return true;
    }
    d.keep();
    op.in_flight = true;
    const bool first = join_line(op);
    if (made == attempt::unfinished) {
        go_on_later(op);
    } else if (first) {
        wait_again(op);
    }
    return false;
}

void readiness::wait_again(operation& op) noexcept {
    if (tracks_interest()) interest_changed(*op.on);
}

// Queues the operation as if its descriptor had become ready. Before it runs, the reactor polls the kernel.
void readiness::go_on_later(operation& op) noexcept {
    detail::reactor_access::schedule(home_, op);
    detail::reactor_access::poll_soon(home_);
}

bool readiness::is_queued(operation& op) noexcept {
    return place_of(op) == &op && (reads(op.kind) ? op.on->may_read : op.on->may_write);
}

void readiness::make_way(operation& op) noexcept {
    leave_line(op);
    operation* const next = place_of(op);
    if (next && is_queued(*next)) {
        detail::reactor_access::schedule(home_, *next);
    } else if (tracks_interest()) {
        interest_changed(*op.on);
    }
}

bool readiness::cancel(operation& op) noexcept {
    if (!op.on) {
        op.cancel_asked = true;
        if (!calls_->cancel(static_cast<file_operation&>(op))) return false;
        op.in_flight = false;
        count_without_descriptor(-1);
        return true;
    }
    if (op.settled) return false;
    // Queued, it will be tried once more, and completes with what comes of that.
    if (is_queued(op) || (op.underway && stop_transfer(op))) {
        op.cancel_asked = true;
        return false;
    }
    leave_line(op);
    op.in_flight = false;
    if (tracks_interest()) interest_changed(*op.on);
    op.on->drop();
    return true;
}

bool readiness::settle(operation& op) noexcept {
    // A receive that was cancelled while it was queued still takes what is there. A cancelled send is not
    // tried, since nothing could be lost.
    const bool hopeless = op.cancel_asked && !reads(op.kind) && op.kind != operation_kind::connect &&
                          op.kind != operation_kind::poll_write;
    const attempt made = hopeless ? attempt::would_block : try_now(op);
    if (made != attempt::done) {
        if (!op.cancel_asked) {
            if (made == attempt::unfinished) {
                go_on_later(op);
            } else {
                wait_again(op);
            }
            return false;
        }
        op.result = -ECANCELED;
    }
    make_way(op);
    return true;
}

attempt readiness::try_now(operation& op) noexcept {
    switch (op.kind) {
        case operation_kind::receive:
        case operation_kind::receive_into: return try_receive(static_cast<receive_operation&>(op));
        case operation_kind::send: return send_what_fits(static_cast<send_operation&>(op));
        case operation_kind::accept: return try_accept(op);
        case operation_kind::connect: return try_connect(static_cast<connect_operation&>(op));
        case operation_kind::poll_read:
        case operation_kind::poll_write: return try_poll(op);
        default: break;
    }
    const bool transfers = op.kind == operation_kind::read || op.kind == operation_kind::write;
    const attempt made = transfers ? transfer(op) : try_call(op);
    if (!reads(op.kind)) {
        if (made == attempt::would_block) op.on->may_write = false;
        return made;
    }
    if (made == attempt::would_block) {
        op.on->may_read = op.on->drain = false;
    } else if (op.kind == operation_kind::receive_datagrams &&
               took_all(static_cast<receive_datagrams_operation&>(op))) {
        op.on->may_read = false;
    }
    return made;
}

attempt readiness::try_poll(operation& op) noexcept {
    if (op.believes_events) {
        op.result = 0;
        return attempt::done;
    }
    const int got = poll_call(op.on->fd, op.kind == operation_kind::poll_read);
    if (got == 0) {
        (op.kind == operation_kind::poll_read ? op.on->may_read : op.on->may_write) = false;
        return attempt::would_block;
    }
    op.result = got < 0 ? got : 0;
    return attempt::done;
}

attempt readiness::try_receive(receive_operation& op) noexcept {
    receive_target& to = *op.target;
    to.data.reset();
    op.result = op.kind == operation_kind::receive
                    ? receive_chunk(*op.on, *blocks(), to.data)
                    : receive_bytes(*op.on, to.into.data, std::min(to.into.size, transfer_budget));
    return op.result == -EAGAIN ? attempt::would_block : attempt::done;
}

attempt readiness::try_accept(operation& op) noexcept {
    if (op.on->is_shared) keep_non_blocking(*op.on);
    do {
        op.result = accept_connection(op.on->fd);
    } while (op.result == -EINTR);
    if (op.result == -EAGAIN) {
        op.on->may_read = false;
        return attempt::would_block;
    }
    accept_ended(*op.on);
    return attempt::done;
}

attempt readiness::try_connect(connect_operation& op) noexcept {
    descriptor& d = *op.on;
    if (!op.underway) {
        op.result = connect_call(d.fd, op.address, op.address_size);
        // EAGAIN of a Unix socket, a full backlog, is an error.
        if (op.result != -EINPROGRESS) return attempt::done;
        op.underway = true;
        op.told_error = 0;
        d.may_write = false;
        return attempt::would_block;
    }
    if (op.told_error == 0 && poll_call(d.fd, false) == 0) {  // an event from before the call
        d.may_write = false;
        return attempt::would_block;
    }
    const int error = pending_error(d.fd);
    op.result = -(error != 0 ? error : op.told_error);
    d.may_write = true;
    return attempt::done;
}

}  // namespace bight::detail
