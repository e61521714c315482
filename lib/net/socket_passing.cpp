// The reads and writes of a socket_transport over which descriptors are passed: messages with control data.
// docs/design/descriptor_passing.md says who owns which descriptor when.
#include "passing.hpp"
#include "seldom.hpp"
#include "socket_transport.hpp"

#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace bight::detail {

std::string what_is_not_open(socket_calls& calls, const std::vector<int>& descriptors) {
    for (const int fd : descriptors) {
        if (calls.family(fd) == -EBADF) return ": " + std::to_string(fd) + " is not open";
    }
    return {};
}

// descriptor_write

descriptor_write::descriptor_write(socket_transport& to, const std::vector<int>& of,
                                   const_buffer with) noexcept
    : write_in_turn(&to), descriptors(of), socket_(to), bytes_(with) {}

void descriptor_write::await_resume() {
    if (!failed()) return;
    constexpr const char* what = "send descriptors to";
    if (error() == no_connection()) {  // no error of the stream's: it is open
        std::string text = what;
        text += ' ';
        socket_.describe(text);
        throw std::system_error(error(), text + what_is_not_open(sockets_here(), descriptors));
    }
    throw_stream_error(error(), what, &socket_);
}

bool descriptor_write::start() noexcept {
    pieces = &bytes_;
    count = 1;
    return socket_.write_with_descriptors(*this);
}

// descriptor_intake

bool descriptor_intake::prepare(receive_message_operation& op, mutable_buffer into, bool wanted) noexcept {
    if (!wanted) held.descriptors.clear();
    const std::size_t waiting = held.descriptors.size();
    room = wanted && waiting < limit ? std::min(limit - waiting, most_descriptors_of_a_message) : 0;
    try {
        held.descriptors.reserve(waiting + room);
        if (!into.data && !block) block = heap_block::make(block_size);
    } catch (const std::bad_alloc&) {
        return false;
    }
    piece = into.data ? into : mutable_buffer(block->bytes(), block_size);
    piece.size = std::min(piece.size, transfer_budget);
    control.make_room(room);
    op.pieces = &piece;
    op.piece_count = 1;
    op.control = control.data();
    op.control_room = control.size();
    return true;
}

// While the receive waited, some may have been taken, with the room for these, or the limit changed.
void descriptor_intake::collect(receive_message_operation& op, chunk& data) noexcept {
    if (op.result < 0) return;
    const auto size = static_cast<std::size_t>(op.result);
    if (size > 0 && block && piece.data == block->bytes()) {
        data = chunk(*block, block->bytes(), size);
        block = nullptr;
    }
    const std::size_t waiting = held.descriptors.size();
    const std::size_t most = waiting < limit ? std::min(room, limit - waiting) : 0;
    std::size_t taken = most;
    try {
        held.descriptors.reserve(waiting + most);
    } catch (const std::bad_alloc&) {
        taken = 0;
        held.missing = std::make_error_code(std::errc::not_enough_memory);
    }
    control.set_size(op.control ? op.control_size : 0);
    const std::size_t came = control.take(held.descriptors, taken);
    if (came > most || ((op.flags & MSG_CTRUNC) != 0 && came == room)) {
        held.missing = errc::too_long;
    } else if ((op.flags & MSG_CTRUNC) != 0) {
        held.missing = system_error_code(EMFILE);
    }
}

// socket_transport

socket_transport::~socket_transport() { delete seldom_; }

// False when memory is exhausted.
bool socket_transport::make_seldom() noexcept {
    try {
        if (!seldom_) seldom_ = new seldom(*this);
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}

bool socket_transport::passes_descriptors() const noexcept {
    return descriptor_control::offered() && !tcp_ && demux && calls().family(fd) == AF_UNIX;
}

descriptor_intake* socket_transport::intake() const noexcept {
    return seldom_ && seldom_->receiving ? &seldom_->receiving->intake : nullptr;
}

std::error_code socket_transport::accept_descriptors(std::size_t limit) noexcept {
    if (descriptor_intake* const has = intake()) {
        has->limit = limit;
        return {};
    }
    if (receive_.target) return errc::busy;
    if (make_seldom()) {
        seldom_->receiving.reset(new (std::nothrow) receiving_message(*this, limit));
    }
    if (!intake()) return std::make_error_code(std::errc::not_enough_memory);
    if (&calls() == &kernel_sockets()) descriptor_control::come_alone(fd);
    if (end_ == 1) end_ = 2;
    return {};
}

// This side has ended the connection.
void socket_transport::close_what_was_not_taken() noexcept {
    if (descriptor_intake* const has = intake()) has->held = {};
}

const operation& socket_transport::current_receive() const noexcept {
    if (seldom_ && seldom_->receiving) return *seldom_->receiving;
    return receive_;
}

// Of a stream that is being closed nobody takes anything any more.
bool socket_transport::read_message(read_request& request) noexcept {
    ++demux->operations;
    receiving_message& op = *seldom_->receiving;
    request.count = 0;
    if (!op.intake.prepare(op, request.into, accepts_reads())) {
        request.set_error(system_error_code(ENOMEM));
        return true;
    }
    if (!demux->start(op)) return false;
    receive_.result = op.result;
    if (op.result == 0 && must_wait_for_send()) {
        end_in_doubt_ = true;
        return false;
    }
    deliver_message(request);
    reactor_access::spend_budget_for(home(), request.count);
    return true;
}

void socket_transport::deliver_message(read_request& request) noexcept {
    receiving_message& op = *seldom_->receiving;
    op.intake.collect(op, request.data);
    receive_.result = op.result;
    deliver_receive(request);
}

void socket_transport::message_received() noexcept {
    receiving_message& op = *seldom_->receiving;
    read_request* const request = reader();
    if (!request) {
        chunk of_nobody;
        op.intake.collect(op, of_nobody);
    } else if (op.result == -ECANCELED && is_open()) {
        request->complete_cancelled();
    } else if (!is_open() && !lingering_) {  // what came goes, as all that was not taken
        chunk of_nobody;
        op.intake.collect(op, of_nobody);
        close_what_was_not_taken();
        request->count = 0;
        request->set_error(why_closed());
        request->complete_now();
    } else if (receive_.result = op.result; op.result == 0 && must_wait_for_send()) {
        end_in_doubt_ = true;
    } else {
        deliver_message(*request);
        request->complete_now();
    }
}

// True when the read has ended, and its task does not know yet.
bool socket_transport::cancel_message_read() noexcept {
    receiving_message* const op = seldom_ ? seldom_->receiving.get() : nullptr;
    return op && op->in_flight && demux && demux->cancel(*op);
}

bool socket_transport::write_with_descriptors(descriptor_write& request) noexcept {
    if (!demux) {
        request.set_error(errc::closed);
        return true;
    }
    ++demux->operations;
    if (make_seldom()) seldom_->sending.reset(new (std::nothrow) sending_message(*this));
    if (!seldom_ || !seldom_->sending) {
        fail_write(request, ENOMEM);
        return true;
    }
    sending_message& op = *seldom_->sending;
    op.descriptors.put(request.descriptors);
    op.pieces = request.pieces;
    op.piece_count = 1;
    op.control = op.descriptors.data();
    op.control_size = op.descriptors.size();
    if (!demux->start(op)) return false;
    reactor_access::spend_budget_for(home(), request.pieces->size);
    return go_on_passing(request);
}

// The call has been made. The descriptors went with the first byte; what is left goes without. True when the
// request is done.
bool socket_transport::go_on_passing(write_request& request) noexcept {
    const std::unique_ptr<sending_message> done = std::move(seldom_->sending);
    if (done->result < 0) {
        const int error = errno_of(done->error());
        if (!is_open()) {
            request.set_error(why_closed());
        } else if (error == EPIPE || error == ECONNRESET || error == ENOTCONN) {
            fail_write(request, done->error());
        } else {  // of this message: a descriptor that is not open, say
            write_cut(false);
            request.set_error(system_error_code(done->error()));
        }
        return true;
    }
    const auto sent = static_cast<std::size_t>(done->result);
    const_buffer& piece = *request.pieces;
    piece = const_buffer(static_cast<const char*>(piece.data) + sent, piece.size - sent);
    if (piece.size == 0) return true;
    if (!demux) {
        request.begun = true;
        request.set_error(why_closed());
        return true;
    }
    const bool ended = write_rest(request, 0);
    request.begun = true;
    if (ended && request.failed()) write_cut(true);
    return ended;
}

void socket_transport::message_sent() noexcept {
    const bool cancelled = seldom_->sending->cancel_asked;
    write_request* const request = writer();
    if (!request) {
        seldom_->sending.reset();
    } else if (seldom_->sending->result == -ECANCELED && is_open()) {
        seldom_->sending.reset();
        request->complete_cancelled();
    } else if (go_on_passing(*request)) {
        request->complete_now();
    } else if (cancelled) {
        cancel_write();
    }
}

bool socket_transport::sends_message() const noexcept { return seldom_ && seldom_->sending; }

void socket_transport::cancel_message_write() noexcept {
    sending_message* const op = seldom_ ? seldom_->sending.get() : nullptr;
    if (!op) return;
    if (!demux->cancel(*op)) {
        op->cancel_asked = true;  // also of one that is over, after which the rest is to be written
        return;
    }
    seldom_->sending.reset();
    writer()->complete_cancelled();
}

// What would be lost if the socket were taken out now, or null. Who waits comes first: that ends by itself.
const char* socket_transport::what_holds_socket() noexcept {
    if (reader() || look_ahead() == detail::look_ahead::reads) return "a task reads from it";
    if (writer()) {
        return "a write has not ended, of a task or of what an outbox was given: await it, or the outbox's "
               "flush(), before";
    }
    if (watcher()) return "a task waits for the end of its peer (until_peer_gone)";
    if (closer()) return "it is being closed";
    if (look_ahead() == detail::look_ahead::holds) {
        return "a buffered_reader or a line_reader over it has bytes, or took them along when it was "
               "destroyed: to look at what comes first, read into memory of your own, no more than that";
    }
    if (unread()) {
        return "bytes were given back to it that nobody has read, by stream::unread or give_back(), or by "
               "read_until, which reads more than it gives";
    }
    if (intake() && !intake()->held.descriptors.empty())
        return "descriptors have come that were not taken (take_descriptors)";
    if (has_read_ahead_ || receive_.kind == operation_kind::receive || !demux->reads_directly(*this)) {
        return "it may have read ahead: read_some() without memory, read_until, a line_reader and a "
               "buffered_reader take more from the socket than they give; to look at what comes first, read "
               "into memory of your own, no more than that";
    }
    return nullptr;
}

// A write that was cancelled before its first byte leaves no gap for whoever writes next.
std::error_code socket_transport::release_socket(int& socket) noexcept {
    if (!demux || !is_open()) return why_closed();
    if (write_was_cut_amid()) return errc::aborted;
    if (what_holds_socket()) return errc::busy;
    socket = static_cast<int>(fd);
    retain();
    set_closed(errc::closed);
    demux->detach(*this, false);
    release();
    return {};
}

}  // namespace bight::detail
