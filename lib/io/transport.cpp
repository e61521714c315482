#include <bight/io/transport.hpp>

#include "closer.hpp"
#include "kernel_write.hpp"
#include "pipe_read.hpp"

#include "../core/failing.hpp"
#include "../core/reactor_state.hpp"

#include <bight/core/detail/wait_list.hpp>
#include <bight/core/reactor.hpp>
#include <bight/io/address.hpp>
#include <bight/io/stream.hpp>

#include <cstring>
#include <new>
#include <utility>

namespace bight {

namespace detail {

void transport_request::set_refusal() noexcept {
    set_error(transport_ ? errc::wrong_thread : no_connection());
}

// A request that no coroutine awaits (that of an outbox) is run instead of resumed.
void transport_request::complete(std::error_code error) noexcept {
    set_error(error);
    settled();
    if (suspended()) {
        ready();
    } else {
        detail::reactor_access::schedule(to().home(), *this);
    }
}

void transport_request::complete_now() noexcept {
    settled();
    go_on();
}

void transport_request::complete_cancelled() noexcept {
    settled();
    if (suspended()) {
        confirm_cancel();
    } else {
        set_error(errc::aborted);
        detail::reactor_access::schedule(to().home(), *this);
    }
}

}  // namespace detail

void read_request::complete_cancelled() noexcept {
    if (to().accepts_reads() || (suspended() && owner().cancel_requested())) {
        transport_request::complete_cancelled();
    } else {
        complete(to().why_closed());
    }
}
void read_request::cancel() noexcept { to().cancel_read(); }
void read_request::settled() noexcept { to().end_read(); }
void read_request::describe(std::string& out) const {
    out += "a read from ";
    to().describe(out);
}

void write_request::cancel() noexcept { to().cancel_write(); }
void write_request::settled() noexcept { to().end_write(); }
void write_request::complete_cancelled() noexcept {
    to().write_cut(begun);
    set_error(errc::aborted);  // so that it does not count as done
    transport_request::complete_cancelled();
}
void write_request::describe(std::string& out) const {
    out += "a write to ";
    to().describe(out);
}

bool transport::read_if_allowed(read_request& request) noexcept {
    if (!read_begins(request)) return true;
    reader_ = &request;
    if (!read(request)) return false;
    reader_ = nullptr;
    has_read(request);
    return true;
}

// False when the request has its answer without the transport.
bool transport::read_begins(read_request& request) noexcept {
    if (accepts_reads_ && (reader_ || ahead_ != detail::look_ahead::none)) {
        request.set_error(errc::busy);
    } else if (unread_) {
        read_unread(request);
    } else if (!accepts_reads_) {
        request.set_error(why_closed());
    } else {
        return true;
    }
    return false;
}

void transport::read_unread(read_request& request) noexcept {
    if (!request.into.data) {
        request.data = std::move(unread_);
    } else {
        request.count = unread_.size() < request.into.size ? unread_.size() : request.into.size;
        std::memcpy(request.into.data, unread_.data(), request.count);
        unread_.remove_prefix(request.count);
        if (!unread_) unread_.reset();
    }
}

// A read that was cancelled has neither bytes nor an error.
void transport::has_read(const read_request& request) noexcept {
    if (watches_ && !request.failed() && (request.count > 0 || request.data)) tell_watches();
}

void transport::reader_gone() noexcept {
    if (const read_request* const reader = std::exchange(reader_, nullptr)) has_read(*reader);
    if (closer_ && !accepts_reads_) closer_->reader_gone();
}

bool transport::write_if_allowed(write_request& request) noexcept {
    if (const std::error_code refused = refusal()) {
        request.set_error(refused);
        return true;
    }
    forgive();
    const std::size_t whole = about_to_write(request);
    if (write(request)) {
        if (!request.failed()) has_written();
        return true;
    }
    writer_ = &request;
    write_waits(whole);
    return false;
}

bool transport::read_into_pipe(detail::pipe_read& request) noexcept {
    request.set_error(std::make_error_code(std::errc::operation_not_supported));
    return true;
}

bool transport::write_in_kernel(detail::kernel_write& request) noexcept {
    request.set_error(std::make_error_code(std::errc::operation_not_supported));
    return true;
}

bool transport::start_pipe_read(detail::pipe_read& request) noexcept {
    if (unread_ && ahead_ != detail::look_ahead::holds) return true;  // for a plain read
    if (!read_begins(request)) return true;
    reader_ = &request;
    if (!read_into_pipe(request)) return false;
    reader_ = nullptr;
    has_read(request);
    return true;
}

// Another write follows one that had sent nothing: nothing is missing in between.
void transport::forgive() noexcept {
    if (cut_ != cut::before_its_first_byte) return;
    cut_ = cut::no;
    plain_writes_ = !watches_;
}

std::error_code transport::refusal() const noexcept {
    if (!accepts_writes_) return why_closed();
    if (writer_) return errc::busy;
    return {};
}

void transport::write_cut(bool begun) noexcept {
    if (cut_ != cut::amid) cut_ = begun ? cut::amid : cut::before_its_first_byte;
    plain_writes_ = false;
}

// A request that waits for its turn is in no queue, so its link is free.
using writer_links = detail::waiter_links<write_request>;

std::error_code transport::claim_writer(write_request& request) noexcept {
    if (reactor::current() != home_ && detail::belongs_elsewhere(*this)) {
        detail::stream_used_elsewhere("written to by an outbox");
    }
    const std::error_code refused = refusal();
    if (refused && refused != errc::busy) return refused;
    if (!refused) {
        writer_ = &request;
        return {};
    }
    writer_links::set_next(request, last_writer_ ? writer_links::next(*last_writer_) : &request);
    if (last_writer_) writer_links::set_next(*last_writer_, &request);
    last_writer_ = &request;
    return errc::busy;
}

void transport::leave_line(write_request& request) noexcept {
    write_request* before = last_writer_;
    while (writer_links::next(*before) != &request) before = writer_links::next(*before);
    if (before == &request) {
        last_writer_ = nullptr;
        return;
    }
    writer_links::set_next(*before, writer_links::next(request));
    if (last_writer_ == &request) last_writer_ = before;
}

void transport::end_write() noexcept {
    if (plain_writes_ && !last_writer_) [[likely]] {
        writer_ = nullptr;
        return;
    }
    if (!writer_->failed()) has_written();
    writer_ = last_writer_ ? writer_links::next(*last_writer_) : nullptr;
    if (writer_) {
        if (writer_ == last_writer_) {
            last_writer_ = nullptr;
        } else {
            writer_links::set_next(*last_writer_, writer_links::next(*writer_));
        }
        writer_->writer_free();
    } else if (closer_) {
        closer_->writers_gone();
    }
}

// The end

bool transport::start_end(bool only_writing, duration patience, detail::end_awaiter* waiting,
                          std::error_code& error) noexcept {
    error = lost_;
    if (!is_open() || (only_writing && !accepts_writes_ && !closer_)) return true;
    if (detail::reactor_state::in_forked_child(*home_)) {
        if (!only_writing) forget();
        return true;
    }
    if (closer_) {
        error = errc::busy;
        return true;
    }
    auto* const made = cut_ == cut::no ? detail::closer::make(*this, only_writing) : nullptr;
    if (!made) {
        error = cut_ == cut::no ? std::make_error_code(std::errc::not_enough_memory) : errc::aborted;
        abort(error);
        return true;
    }
    accepts_writes_ = plain_writes_ = false;
    if (!only_writing) accepts_reads_ = plain_reads_ = false;
    closer_ = made;
    if (!only_writing && watcher_) cancel_watch();
    return closer_->begin(patience, waiting, error);
}

void transport::leave() noexcept {
    unread_.reset();  // nobody reads it any more, and the transport may outlive its reactor's run
    if (!is_open() || closer_ || !attached()) return;
    if (detail::failing()) {
        abort(errc::aborted);
        return;
    }
    std::error_code ignored;
    if (!start_end(false, close_patience_, nullptr, ignored) && writer_) push();
}

address transport::peer() const { return {}; }
address transport::local() const { return {}; }
std::error_code transport::set_no_delay(bool) noexcept { return {}; }
std::error_code transport::set_keep_alive(bool) noexcept { return {}; }
void transport::set_options(const socket_options&) {}
socket_options transport::options() const { return {}; }
void transport::describe(std::string& out) const { out += "a stream"; }

}  // namespace bight
