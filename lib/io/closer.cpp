#include "closer.hpp"

#include <bight/core/error.hpp>
#include <bight/io/stream.hpp>

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

namespace bight::detail {

namespace {

// A transport cannot tell when the peer has got everything: whoever is in a hurry asks again and again.
constexpr std::chrono::milliseconds first_pause{1};
constexpr std::chrono::milliseconds longest_pause{50};
// What comes from a peer that sends and sends is thrown away in so many parts before others have their turn.
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
    awaited_ = waiting != nullptr;
    if (t.writer() || !(only_writing_ ? t.shutdown_write(*this) : t.close(*this))) {
        waiting_ = waiting;
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
    } else if (only_writing_ ? t.shutdown_write(*this) : t.close(*this)) {
        said(error());
    }
}

// What it waits for in the ready queue: the transport's answer, or its turn to go on reading.
void closer::run() noexcept {
    if (said_) {
        drain();
    } else {
        said(error());
    }
}

void closer::said(std::error_code error) noexcept {
    said_ = true;
    if (timed_out_) error = errc::timed_out;
    if (!error) error = to().lost_;
    if (end_awaiter* const w = std::exchange(waiting_, nullptr)) w->ended(error);
    if (!to().lingers()) {
        finish();
        return;
    }
    if (reactor::current() != &to().home()) {  // nobody may come to read: it ends as well as it can
        over_ = true;
        to().let_go();
        finish();
        return;
    }
    if (detail::reactor_access::winding_up(to().home())) hurried_ = true;
    if (hurried_) look_again();
    drain();
}

void closer::drain() noexcept {
    transport& t = to();
    for (int parts = 0; parts < parts_at_once && !over_; ++parts) {
        if (t.reader_) break;  // the user's last read is being cancelled
        sink_.clear_error();
        t.reader_ = &sink_;
        reading_ = !t.read(sink_);
        if (reading_) return;
        t.reader_ = nullptr;
        if (sink_.failed() || !sink_.data) let_go();
        sink_.data.reset();
    }
    if (over_) {
        finish();
    } else {
        detail::reactor_access::schedule(t.home(), *this);
    }
}

void closer::input_came() noexcept {
    reading_ = false;
    if (!over_ && (sink_.failed() || !sink_.data)) let_go();
    sink_.data.reset();
    drain();
}

void closer::let_go() noexcept {
    over_ = true;
    to().let_go();
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

// At the deadline, or to look again.
void closer::expired() noexcept {
    if (to().home().now() < deadline_) {
        look_again();
    } else if (!said_) {
        timed_out_ = true;
        to().writes_lost(errc::timed_out);
        if (!waiting_) report_loss();
        to().abort(errc::timed_out);
    } else if (!over_) {
        let_go();  // which ends the read, which ends this
    }
}

// Nobody else would hear of it.
void closer::report_loss() const noexcept {
    try {
        std::string text = "gave up closing ";
        to().describe(text);
        log(log_level::warning, text + ": in the time that it had, its peer did not take what was still to be sent");
    } catch (const std::bad_alloc&) {  // there is no memory to say it with
    }
}

void closer::hurry() noexcept {
    if (!std::exchange(hurried_, true) && said_) look_again();
}

void closer::look_again() noexcept {
    if (over_) return;
    if (said_ && to().delivered()) {
        let_go();
        return;
    }
    detail::reactor_access::arm(to().home(), *this, std::min(deadline_, saturating_add(to().home().now(), pause_)));
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
