// Receiving, sending and polling of the IOCP demultiplexer.
#include "direct_calls.hpp"
#include "iocp.hpp"
#include "stream_calls.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace bight::detail {

// An idle socket holds no buffer: what waits in the kernel is a receive of no bytes, and what has come is
// taken by a plain call when the operation leaves the ready queue.
attempt iocp::receive(receive_operation& op, bool may_wait) noexcept {
    descriptor& d = *op.on;
    op.target->data.reset();
    if (d.may_read) {
        op.result = receive_chunk(d, pool_, op.target->data);
        if (op.result != -EAGAIN) return attempt::done;
    }
    return wait_to_read(op, may_wait);
}

// Streams by a receive of no bytes, which would destroy a datagram: those are polled, as are the sockets of
// other ports.
attempt iocp::wait_to_read(operation& op, bool may_wait) noexcept {
    descriptor& d = *op.on;
    if ((d.slot & (is_stream | is_associated)) != (is_stream | is_associated)) {
        return poll(op, afd_receive | afd_accept | afd_disconnect | afd_abort | afd_local_close, may_wait);
    }
    if (!may_wait) return attempt::would_block;
    completion_request* const r = request_for(op, completion_request::purpose::wait);
    if (!r) return failed(op, ENOMEM);
    WSABUF nothing{0, nullptr};
    DWORD flags = 0;
    const int called = ::WSARecv(socket_of(op), &nothing, 1, nullptr, &flags, &r->overlapped, nullptr);
    const DWORD error = called == 0 ? 0 : static_cast<DWORD>(::WSAGetLastError());
    const attempt made = submitted(op, *r, called == 0, error);
    if (made != attempt::done || called != 0) return made;
    d.may_read = true;  // something has come in the meantime: in the next turn
    return attempt::unfinished;
}

attempt iocp::receive_into(receive_operation& op, bool may_wait) noexcept {
    descriptor& d = *op.on;
    const mutable_buffer into = op.target->into;
    const std::size_t size = std::min(into.size, transfer_budget);
    const bool polled = (d.slot & is_associated) == 0;
    if (!may_wait || polled) {
        op.result = receive_bytes(d, into.data, size);
        if (op.result != -EAGAIN) return attempt::done;
        return polled ? wait_to_read(op, may_wait) : attempt::would_block;
    }
    completion_request* const r = request_for(op, completion_request::purpose::transfer);
    if (!r) return failed(op, ENOMEM);
    WSABUF piece{static_cast<ULONG>(size), static_cast<CHAR*>(into.data)};
    DWORD flags = 0;
    const int called = ::WSARecv(socket_of(op), &piece, 1, nullptr, &flags, &r->overlapped, nullptr);
    return submitted(op, *r, called == 0, called == 0 ? 0 : static_cast<DWORD>(::WSAGetLastError()));
}

// What the socket takes at once, and then a poll until it takes more: so the kernel never holds the caller's
// memory, and a send that is cancelled knows how much was taken.
attempt iocp::send(send_operation& op, bool may_wait) noexcept {
    const attempt made = send_what_fits(op);
    if (made != attempt::would_block) return made;
    return poll(op, afd_send | afd_abort | afd_local_close, may_wait);
}

// Sizes, addresses and control data are told to one call, before the kernel has to keep anything.
attempt iocp::message(operation& op, bool may_wait) noexcept {
    const attempt made = try_call(op);
    if (made != attempt::would_block) return made;
    constexpr ULONG ends = afd_abort | afd_local_close;
    return poll(op, reads(op.kind) ? afd_receive | afd_disconnect | ends : afd_send | ends, may_wait);
}

attempt iocp::poll(operation& op, ULONG events, bool may_wait) noexcept {
    if (!may_wait) return attempt::would_block;
    completion_request* const r = request_for(op, completion_request::purpose::poll);
    if (!r) return failed(op, ENOMEM);
    if (const int error = afd_->poll(op.on->fd, events, r->polled, r->overlapped); error != 0) {
        give_back(*r);
        return failed(op, error);
    }
    op.request = r;
    op.underway = true;
    return attempt::would_block;
}

// One poll for each descriptor that is watched.
bool iocp::ending_changed(descriptor& d) noexcept {
    if (!d.ending) {
        stop_end_poll(d);
        return true;
    }
    if (d.end_watch) return true;
    completion_request* const r = request_for(*d.ending, completion_request::purpose::end_poll);
    if (!r) return false;
    r->of = nullptr;
    r->end_of = &d;
    constexpr ULONG events = afd_disconnect | afd_abort | afd_local_close;
    if (afd_->poll(d.fd, events, r->polled, r->overlapped) != 0) {
        give_back(*r);
        return false;
    }
    d.end_watch = r;
    return true;
}

void iocp::stop_end_poll(descriptor& d) noexcept {
    if (completion_request* const r = std::exchange(d.end_watch, nullptr)) abandon(*r);
}

void iocp::end_polled(descriptor& d, const completion_request&) noexcept {
    d.end_watch = nullptr;
    if (operation* const op = take_ending(d, 0)) detail::reactor_access::schedule(home_, *op);
}

}  // namespace bight::detail
