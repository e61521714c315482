#include "closer.hpp"

#include <bight/core/error.hpp>
#include <bight/io/stream.hpp>

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

namespace bight::detail {

namespace {

// A transport cannot notify when the peer has received everything, so a hurried closer polls with these
// pauses.
constexpr std::chrono::milliseconds first_pause{1};
constexpr std::chrono::milliseconds longest_pause{50};
// So many bytes, and parts, of a peer's endless input are discarded before other tasks have their turn.
constexpr std::size_t bytes_at_once = std::size_t{256} << 10;
constexpr int parts_at_once = 16;

}  // namespace

closer::sink::sink(closer& c) noexcept : read_request(&c.to(), mutable_buffer()), closer_(c) {}

closer* closer::make(transport& of, bool only_writing) noexcept {
    try {
        return new closer(of, only_writing);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

closer::closer(transport& of, bool only_writing) noexcept
    : end_request(of), sink_(*this), pause_(first_pause), only_writing_(only_writing) {
    of.retain();
}

bool closer::begin(duration patience, end_awaiter* waiting, std::error_code& error) noexcept {
    transport& t = to();
    detail::reactor_access::arm_grace(t.home(), *this, patience);
    deadline_ = deadline();
    if (!only_writing_ && t.reader_) t.cancel_read();
    if (t.writer() || !say_end()) {
        waiting_ = waiting;
        if (!only_writing_) {
            draining_ = true;
            if (!t.reader_) queue_sink();  // in the reactor's loop, which may not be running now
        }
        return false;
    }
    error = this->error() ? this->error() : t.lost_;
    said(error);
    return true;
}

void closer::writers_gone() noexcept {
    transport& t = to();
    if (said_) return;
    if (!t.is_open()) {
        said(t.why_closed());
    } else if (t.cut_ != transport::cut::no) {
        t.abort(errc::aborted);
        said(errc::aborted);
    } else if (say_end()) {
        said(error());
    }
}

bool closer::say_end() noexcept { return only_writing_ ? to().shutdown_write(*this) : to().close(*this); }

// The transport's answer, from the ready queue.
void closer::run() noexcept { said(error()); }

void closer::said(std::error_code error) noexcept {
    transport& t = to();
    said_ = true;
    if (timed_out_) error = errc::timed_out;
    if (!error) error = t.lost_;
    if (end_awaiter* const w = std::exchange(waiting_, nullptr)) w->ended(error);
    if (detail::reactor_access::winding_up(t.home())) hurried_ = true;
    // Where nobody may read any more, it ends now.
    if (!t.lingers() || reactor::current() != &t.home() || (hurried_ && t.delivered())) {
        let_go();
        return;
    }
    if (hurried_) look_later();
    draining_ = true;  // an end that was read before is read again
    if (sink_.now == sink::state::idle) drain();
}

void closer::drain() noexcept {
    transport& t = to();
    std::size_t bytes = 0;
    for (int parts = 0; draining_ && !starved_ && !t.reader_; ++parts) {
        if (parts == parts_at_once || bytes >= bytes_at_once) {
            queue_sink();
            return;
        }
        sink_.clear_error();
        t.reader_ = &sink_;
        if (!t.read(sink_)) {
            sink_.now = sink::state::reading;
            return;
        }
        t.reader_ = nullptr;
        bytes += sink_.data.size();
        take_input();
    }
    if (said_ && !draining_) let_go();
}

void closer::queue_sink() noexcept {
    sink_.now = sink::state::queued;
    detail::reactor_access::schedule(to().home(), sink_);
}

void closer::reader_gone() noexcept {
    if (draining_ && sink_.now == sink::state::idle) queue_sink();
}

void closer::go_on_reading() noexcept {
    if (std::exchange(sink_.now, sink::state::idle) == sink::state::reading) take_input();
    drain();
}

// The end of the input, or an error, does not end the writes: if they cannot be done, they fail by
// themselves. Without memory it reads on a moment later: a peer that writes before it reads must not be cut
// off for that.
void closer::take_input() noexcept {
    if (sink_.error() == std::errc::not_enough_memory) {
        starved_ = true;
        look_in(first_pause);
        return;
    }
    if (sink_.failed() || !sink_.data) draining_ = false;
    sink_.data.reset();
}

// Everything has been sent, and the transport no longer lingers. The closer may be gone after this; if not, a
// pending read ends and comes back here.
void closer::let_go() noexcept {
    draining_ = false;
    if (!std::exchange(over_, true) && to().lingers()) to().let_go();
    if (sink_.now == sink::state::idle) finish();
}

void closer::finish() noexcept {
    transport& t = to();
    detail::reactor_access::disarm_grace(t.home(), *this);
    if (told_) detail::reactor_access::schedule(t.home(), *told_);
    t.closer_ = nullptr;
    delete this;
    t.release();
}

void closer::abandoned() noexcept {
    waiting_ = nullptr;
    to().abort(errc::aborted);
}

// Called at the deadline, or at the next look.
void closer::expired() noexcept {
    if (to().home().now() < deadline_) {
        if (starved_) {
            read_on();
        } else {
            look_again();
        }
    } else if (!said_) {
        timed_out_ = true;
        to().writes_lost(errc::timed_out);
        if (!waiting_) report_loss();
        to().abort(errc::timed_out);
        if (to().writer() && to().writer()->only_has_turn()) writers_gone();
    } else if (!over_) {
        let_go();
    }
}

// Logs the loss, which nobody else would report.
void closer::report_loss() const noexcept {
    try {
        std::string text = "gave up closing ";
        to().describe(text);
        log(log_level::warning,
            text + ": in the time that it had, its peer did not take what was still to be sent");
    } catch (const std::bad_alloc&) {  // no memory for the message
    }
}

void closer::hurry() noexcept {
    if (!std::exchange(hurried_, true) && said_) look_again();
}

void closer::look_again() noexcept {
    if (over_) return;
    if (said_ && to().delivered()) {
        let_go();
    } else {
        look_later();
    }
}

void closer::look_in(duration pause) noexcept {
    detail::reactor_access::arm(to().home(), *this,
                                std::min(deadline_, saturating_add(to().home().now(), pause)));
}

// Memory may be available again: retries, and resets the timer to its usual purpose. The closer may be gone
// afterwards.
void closer::read_on() noexcept {
    starved_ = false;
    if (said_ && hurried_) {
        look_later();
    } else {
        look_in(duration::max());
    }
    if (sink_.now == sink::state::idle) drain();
}

void closer::look_later() noexcept {
    look_in(pause_);
    pause_ = std::min<duration>(2 * pause_, longest_pause);
}

void closer::limit(time_point latest) noexcept {
    deadline_ = std::min(deadline_, latest);
    if (armed() && deadline() > deadline_) detail::reactor_access::arm(to().home(), *this, deadline_);
}

void closer::describe(std::string& out) const {
    out += "the end of ";
    to().describe(out);
}

}  // namespace bight::detail
