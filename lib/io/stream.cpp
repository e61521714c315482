#include <bight/io/stream.hpp>

#include "closer.hpp"

#include "../core/reactor_state.hpp"

#include <bight/io/address.hpp>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace bight {

namespace detail {

namespace {

constexpr const char* ways_across =
    "a stream is for the tasks of its own reactor: from a task of another one await a call there with "
    "bight::on(reactor, f), from a plain thread use reactor::post or block_on, or send its task what to do "
    "through a concurrent_channel";

// Of a stream that belongs to another thread only the reactor's identity is read.
std::string describe_operation(std::error_code error, const char* operation, const transport* on) {
    std::string what = operation;
    what += ' ';
    if (!on) {
        what += "an empty stream, which was moved from, or was never given a connection";
    } else if (error == errc::wrong_thread) {
        what += "a stream: ";
        what += ways_across;
    } else {
        on->describe(what);
    }
    return what;
}

std::system_error stream_error(std::error_code error, const char* operation, const transport* on) {
    return {error, describe_operation(error, operation, on)};
}

std::system_error read_error(std::error_code error, const transport* on) {
    std::string what = describe_operation(error, "read from", on);
    if (error == errc::busy && on->look_ahead() == look_ahead::holds) {
        what +=
            ": a buffered_reader or a line_reader over it has bytes that come first, or took them along when "
            "it was destroyed: read through it, or have it give them back before with give_back()";
    } else if (error == errc::busy && on->look_ahead() == look_ahead::reads) {
        what += ": another task waits in a buffered_reader or a line_reader over it";
    } else if (error == errc::busy) {
        what += ": it has one reader at a time";
    }
    return {error, what};
}

std::system_error write_error(std::error_code error, const transport* on) {
    std::string what = describe_operation(error, "write to", on);
    const char* const writes = error == errc::busy && on->writer() ? on->writer()->writes_as() : nullptr;
    if (writes) {
        what += ": ";
        what += writes;
        what += " over it has bytes that come first: write through it, or await its flush() before";
    } else if (error == errc::busy) {
        what += ": it has one writer at a time";
    }
    return {error, what};
}

}  // namespace

// The exception is made elsewhere, so that its way up the stack begins at a frame with nothing to destroy: to
// stop at one costs as much as to throw.
void throw_stream_error(std::error_code error, const char* operation, const transport* on) {
    throw stream_error(error, operation, on);
}
void throw_read_error(std::error_code error, const transport* on) { throw read_error(error, on); }
void throw_write_error(std::error_code error, const transport* on) { throw write_error(error, on); }

std::error_code no_connection() noexcept { return {EBADF, errno_category()}; }

void stream_is_empty() noexcept {
    std::fputs("bight: a stream was used that is empty: it was moved from, or was never given a connection\n",
               stderr);
    std::abort();
}

// The usual paths are short, because a busy server takes them for every message: what is seldom is in
// functions of its own. A read usually waits, and a write does not.

bool read_awaiter::suspend(promise_base& p) noexcept {
    if (p.owner().cancel_requested() || !may_begin(p.owner().home()) || !to().reads_plainly()) [[unlikely]]
        return suspend_rarely(p);
    begin_regardless(p);
    return to().start_read(*this) ? finish_now() : true;
}

bool read_awaiter::suspend_rarely(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (may_begin(p.owner().home())) return to().start_read(*this) ? finish_now() : true;
    set_refusal();
    return finish_now();
}

// Not passed on: a transport would answer 0, which means the end.
bool read_into_awaiter::read_nothing(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (!may_begin(p.owner().home())) {
        set_refusal();
    } else if (!to().accepts_reads()) {
        set_error(to().why_closed());
    }
    return finish_now();
}

bool write_awaiter_base::suspend(promise_base& p, const_buffer* first, std::size_t number) noexcept {
    pieces = first;
    count = number;
    if (p.owner().cancel_requested() || !may_begin(p.owner().home()) || !to().writes_plainly()) [[unlikely]]
        return suspend_rarely(p);
    return to().start_write(*this) ? finish_at_once(p) : wait(p);
}

bool write_awaiter_base::wait(promise_base& p) noexcept {
    begin_regardless(p);
    return true;
}

bool write_awaiter_base::suspend_rarely(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (may_begin(p.owner().home())) return to().start_write(*this) ? finish_now() : true;
    set_refusal();
    return finish_now();
}

// end_awaiter

bool end_awaiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (!transport_ || &home() != &transport_->home()) {
        error_ = transport_ ? make_error_code(errc::wrong_thread) : no_connection();
        return finish_now();
    }
    return transport_->start_end(only_writing_, patience_, this, error_) ? finish_now() : true;
}

void end_awaiter::cancel() noexcept {
    transport_->closer()->abandoned();
    confirm_cancel();
}

void end_awaiter::describe(std::string& out) const {
    out += "the last write to ";
    transport_->describe(out);
    out += ", to close it";
}

}  // namespace detail

// Each read_some takes bytes that were given back (unread) first, and keeps those that do not fit.
task<> stream::read_exactly(mutable_buffer memory) {
    auto* at = static_cast<char*>(memory.data);
    std::size_t left = memory.size;
    while (left > 0) {
        const std::size_t got = co_await read_some(mutable_buffer(at, left));
        if (got == 0) detail::throw_stream_error(errc::end_of_stream, "read from", &lower());
        at += got;
        left -= got;
    }
}

namespace {

// Holds bytes that were taken from a stream, `text` and then those of `more`, and returns them if they are
// not used.
class held_bytes {
  public:
    explicit held_bytes(stream& s) noexcept : stream_(s) {}
    held_bytes(const held_bytes&) = delete;
    held_bytes& operator=(const held_bytes&) = delete;
    ~held_bytes() {
        if (text.empty() && !more) return;
        try {
            if (text.empty()) {
                stream_.unread(std::move(more));
            } else {
                text.append(more.begin(), more.size());
                stream_.unread(chunk::copy_of(text));
            }
        } catch (...) {
            stream_.abort(std::make_error_code(std::errc::not_enough_memory));
        }
    }
    std::string text;
    chunk more;

  private:
    stream& stream_;
};

}  // namespace

// What comes after the delimiter stays in its chunk, which goes back to the stream as it is: the next call
// finds it there.
task<std::string> stream::read_until(std::string_view delimiter, std::size_t limit) {
    held_bytes held(*this);
    std::string& text = held.text;
    chunk& more = held.more;
    for (;;) {
        more = co_await read_some();
        if (!more) detail::throw_stream_error(errc::end_of_stream, "read until a delimiter from", &lower());
        const std::size_t before = text.size();
        // A delimiter may have begun in what came before.
        const std::size_t searched = before < delimiter.size() ? 0 : before - delimiter.size() + 1;
        if (before > 0) text.append(more.begin(), more.size());
        const std::string_view all = before > 0 ? std::string_view(text) : more.view();
        const std::size_t found = all.find(delimiter, searched);
        if (found != std::string_view::npos && found + delimiter.size() <= limit) {
            const std::size_t size = found + delimiter.size();
            std::string line = before > 0 ? std::move(text) : std::string(all.substr(0, size));
            line.resize(size);
            text.clear();
            more.remove_prefix(size - before);
            co_return line;
        }
        if (before == 0) text.assign(more.view());
        more.reset();
        if (text.size() >= limit)
            detail::throw_stream_error(errc::too_long, "read until a delimiter from", &lower());
    }
}

address stream::peer() const { return transport_ ? transport_->peer() : address{}; }
address stream::local() const { return transport_ ? transport_->local() : address{}; }

void stream::set_no_delay(bool on) {
    if (!transport_) detail::throw_stream_error(detail::no_connection(), "set TCP_NODELAY of", nullptr);
    if (detail::belongs_elsewhere(*transport_))
        detail::throw_stream_error(errc::wrong_thread, "set TCP_NODELAY of", transport_);
    if (const auto error = transport_->set_no_delay(on))
        detail::throw_stream_error(error, "set TCP_NODELAY of", transport_);
}

void stream::set_keep_alive(bool on) {
    if (!transport_) detail::throw_stream_error(detail::no_connection(), "set SO_KEEPALIVE of", nullptr);
    if (detail::belongs_elsewhere(*transport_))
        detail::throw_stream_error(errc::wrong_thread, "set SO_KEEPALIVE of", transport_);
    if (const auto error = transport_->set_keep_alive(on)) {
        detail::throw_stream_error(error, "set SO_KEEPALIVE of", transport_);
    }
}

void stream::set_options(const socket_options& options) {
    if (!transport_) detail::throw_stream_error(detail::no_connection(), "set options of", nullptr);
    if (detail::belongs_elsewhere(*transport_))
        detail::throw_stream_error(errc::wrong_thread, "set options of", transport_);
    transport_->set_options(options);
}

socket_options stream::options() const { return transport_ ? transport_->options() : socket_options(); }

// The streams of a reactor that does not run may be used on any thread, one at a time; when a reactor is
// gone, the descriptor is closed.
bool detail::belongs_elsewhere(const transport& t) noexcept {
    if (reactor::current() == &t.home() || t.native_handle() < 0) return false;
    return reactor_state::runs(t.home());
}

void detail::stream_used_elsewhere(const char* how) noexcept {
    std::fprintf(stderr, "bight: a stream was %s on another thread than its reactor's: %s\n", how,
                 ways_across);
    std::abort();
}

void stream::abort(std::error_code reason) noexcept {
    if (!transport_) return;
    if (detail::belongs_elsewhere(*transport_)) detail::stream_used_elsewhere("aborted");
    transport_->abort(reason);
}

void stream::drop() noexcept {
    transport* t = std::exchange(transport_, nullptr);
    if (!t) return;
    if (detail::belongs_elsewhere(*t)) detail::stream_used_elsewhere("destroyed");
    t->leave();
    t->release();
}

}  // namespace bight
