#include <bight/io/transport.hpp>

#include <bight/core/reactor.hpp>
#include <bight/io/stream.hpp>
#include <bight/net/address.hpp>

#include <cstring>
#include <utility>

namespace bight {

namespace detail {

// A request that no coroutine awaits (an outbox's) is run instead of resumed.
void transport_request::complete(std::error_code error) noexcept {
    set_error(error);
    settled();
    if (suspended()) {
        ready();
    } else {
        to().home().schedule(*this);
    }
}

void transport_request::complete_now() noexcept {
    settled();
    go_on();
}

void transport_request::go_on() noexcept {
    if (suspended()) {
        ready_now().resume();
    } else {
        run();
    }
}

void transport_request::complete_cancelled() noexcept {
    settled();
    if (suspended()) {
        confirm_cancel();
    } else {
        set_error(errc::aborted);
        to().home().schedule(*this);
    }
}

}  // namespace detail

void read_request::complete_now() noexcept {
    to().end_read();
    go_on();
}
void read_request::cancel() noexcept { to().cancel_read(); }
void read_request::settled() noexcept { to().end_read(); }
void read_request::describe(std::string& out) const {
    out += "a read from ";
    to().describe(out);
}

void write_request::cancel() noexcept { to().cancel_write(); }
void write_request::settled() noexcept { to().end_write(); }
void write_request::describe(std::string& out) const {
    out += "a write to ";
    to().describe(out);
}

bool transport::read_without_transport(read_request& request) noexcept {
    if (reader_) {
        request.set_error(errc::busy);
    } else if (!unread_) {
        request.set_error(errc::closed);
    } else if (!request.into.data) {
        request.data = std::move(unread_);
    } else {
        request.count = unread_.size() < request.into.size ? unread_.size() : request.into.size;
        std::memcpy(request.into.data, unread_.data(), request.count);
        unread_.remove_prefix(request.count);
        if (!unread_) unread_.reset();
    }
    return true;
}

bool transport::refuse_write(write_request& request) noexcept {
    request.set_error(accepts_writes_ ? errc::busy : errc::closed);
    return true;
}

bool transport::end_writes(detail::close_waiter& waiting, bool only_writing) noexcept {
    accepts_writes_ = false;
    if (!only_writing) closing_ = true;
    if (!writer_) return true;  // whoever waits for its turn to write has one who writes before it
    closer_ = &waiting;
    return false;
}

std::error_code transport::claim_writer(write_request& request) noexcept {
    if (reactor::current() != home_ && detail::belongs_elsewhere(*this)) {
        detail::stream_used_elsewhere("written to by an outbox");
    }
    if (!accepts_writes_) return errc::closed;
    if (writer_) {
        next_writer_ = &request;
        return errc::busy;
    }
    writer_ = &request;
    return {};
}

void transport::end_write() noexcept {
    writer_ = std::exchange(next_writer_, nullptr);
    if (writer_) {
        writer_->writer_free();
        return;
    }
    if (auto* closer = std::exchange(closer_, nullptr)) closer->writer_gone();
}

address transport::peer() const { return {}; }
address transport::local() const { return {}; }
std::error_code transport::set_no_delay(bool) noexcept { return {}; }
std::error_code transport::set_keep_alive(bool) noexcept { return {}; }
void transport::describe(std::string& out) const { out += "a stream"; }

}  // namespace bight
