#include <bight/io/outbox.hpp>

#include "outbox_state.hpp"

#include "../core/system_error.hpp"

#include <bight/core/detail/wait_list.hpp>

#include <algorithm>
#include <utility>

namespace bight::detail {

// Whether the reader of the stream will notice a failed write by itself, after reading what has arrived.
// Otherwise the peer would wait for the dropped messages, and nobody would notice.
static bool concerns_reader(std::error_code failure) noexcept {
    return failure == std::errc::broken_pipe || failure == std::errc::connection_reset ||
           failure == std::errc::timed_out || !is_of_system(failure);
}

bool outbox_state::queue(payload&& message) {
    const std::size_t size = message.size();
    queue_.push_back(std::move(message));
    bytes_ += size;
    start();
    return !failure_;
}

void outbox_state::start() noexcept {
    if (writing_) return;
    const std::error_code claimed = to().claim_writer(*this);
    writing_ = !claimed || claimed == errc::busy;
    if (!claimed && gathers_) {
        detail::reactor_access::schedule(to().home(), *this);
    } else if (!claimed) {
        pump(false);
    } else if (!writing_) {
        fail(claimed);
    }
}

void outbox_state::gather(std::span<const const_buffer> given, std::size_t size) {
    append(given, size);
    start();
}

void outbox_state::append(std::span<const const_buffer> given, std::size_t size) {
    if (size == 0) return;
    // Of the last payload, unless the transport has it.
    std::size_t room = queue_.size() > batch_ ? queue_.back().room() : 0;
    const bool fills = room > 0;
    if (size > room) queue_.push_back(payload::with_room(std::max(size - room, block_size)));
    auto* into = &queue_[queue_.size() - (fills && size > room ? 2 : 1)];
    for (const const_buffer& piece : given) {
        const char* const data = static_cast<const char*>(piece.data);
        const std::size_t part = std::min(piece.size, into->room());
        if (part > 0) into->append(data, part);
        if (part == piece.size) continue;
        into = &queue_.back();
        into->append(data + part, piece.size - part);
    }
    bytes_ += size;
}

bool outbox_state::send(payload&& message) {
    if (refusal()) {
        ++dropped_;
        return false;
    }
    if (message.size() == 0) return true;
    if (fits(message.size()) && !waited_for()) return queue(std::move(message));
    switch (options_.when_full) {
        case overflow_policy::wait: return false;
        case overflow_policy::drop_newest: ++dropped_; return false;
        case overflow_policy::drop_oldest:
            while (!fits(message.size()) && queue_.size() > batch_) {
                bytes_ -= queue_[batch_].size();
                queue_.erase(batch_);
                ++dropped_;
            }
            if (fits(message.size())) return queue(std::move(message));
            ++dropped_;
            return false;
        case overflow_policy::disconnect:
            ++dropped_;
            to().abort(errc::backlog_exceeded);
            return false;
    }
    return false;
}

void outbox_state::begin_batch() noexcept {
    batch_ = std::min(queue_.size(), pieces_.size());
    for (std::size_t i = 0; i < batch_; ++i) pieces_[i] = queue_[i];
    pieces = pieces_.data();
    count = batch_;
    clear_error();
}

void outbox_state::end_batch() noexcept {
    if (failed()) {
        fail(error());
        if (!concerns_reader(failure_)) to().abort(failure_);
        return;
    }
    to().has_written();
    for (; batch_ > 0; --batch_) {
        bytes_ -= queue_.front().size();
        queue_.pop_front();
    }
    admit_waiters();
}

// Writes until the transport has to wait, other tasks must have their turn, or nothing is left. It is the
// stream's writer meanwhile. Who waits to write has a turn after each batch, and this one its next one behind
// them; but when the end of the stream has begun, a claim would be refused, and what is queued goes out
// first.
void outbox_state::pump(bool has_written) noexcept {
    for (unsigned batches = has_written ? 1 : 0; !queue_.empty(); ++batches) {
        if (batches > 0 && to().writers_wait() && to().accepts_writes()) {
            to().end_write();
            writing_ = false;
            start();
            return;
        }
        if (!to().is_open()) {
            fail(to().why_closed());
            break;
        }
        if (batches == most_batches) {
            detail::reactor_access::schedule(to().home(), *this);
            return;
        }
        begin_batch();
        to().forgive();
        const std::size_t whole = to().about_to_write(*this);
        if (!to().write(*this)) {
            to().write_waits(whole);
            return;  // run() goes on
        }
        end_batch();
    }
    writing_ = false;
    to().end_write();
}

// A batch is done, or this outbox has its turn again.
void outbox_state::run() noexcept {
    const bool has_written = batch_ > 0;
    if (has_written) end_batch();
    pump(has_written);
    if (let_go_ && !writing_) delete this;
}

// Called when another writer has finished. Queued, so that calls of many outboxes do not nest.
void outbox_state::writer_free() noexcept { detail::reactor_access::schedule(to().home(), *this); }

void outbox_state::fail(std::error_code why) noexcept {
    failure_ = why;
    if (!queue_.empty()) to().writes_lost(why);
    dropped_ += queue_.size();
    queue_.clear();
    batch_ = bytes_ = 0;
    admit_waiters();
}

void outbox_state::let_go() noexcept {
    let_go_ = true;
    if (!writing_) delete this;
}

// In the order in which they came; a message that does not fit keeps those behind it waiting.
void outbox_state::admit_waiters() noexcept {
    while (outbox_wait* w = waiters_.front()) {
        if (failure_) {
            w->error_ = failure_;
        } else if (w->wants_empty_) {
            if (!queue_.empty()) return;
        } else {
            const std::size_t size = w->size();
            if (!fits(size)) return;
            try {
                if (gathers_) {
                    append(w->pieces_, size);
                } else {
                    queue_.push_back(std::move(w->message_));
                    bytes_ += size;
                }
            } catch (...) {
                w->error_ = std::make_error_code(std::errc::not_enough_memory);
            }
        }
        waiters_.remove(*w);
        w->ready();
    }
}

// outbox_wait

bool outbox_wait::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    outbox_state& s = *on_;
    error_ = wants_empty_ ? s.failure() : s.refusal();
    keep_transport();
    if (error_ || (wants_empty_ && s.idle())) return finish_now();
    if (!wants_empty_ && !s.waited_for() && s.fits(size())) {
        queue_now();
        return finish_now();
    }
    s.add(*this);
    return true;
}

// A write that fits is a call, as one into a string: no checkpoint, and nothing of the budget. What is queued
// is bounded, so that a task which writes without an end comes to wait.
bool outbox_wait::suspend(promise_base& p, std::span<const const_buffer> pieces) noexcept {
    pieces_ = pieces;
    outbox_state& s = *on_;
    if (&s.transport_of().home() != &p.owner().home()) [[unlikely]] {
        error_ = errc::wrong_thread;
        return false;
    }
    error_ = s.refusal();
    if (!error_ && (s.waited_for() || !s.fits(size()))) return suspend(p);
    if (!error_) queue_now();
    return false;
}

void outbox_wait::queue_now() noexcept {
    try {
        if (pieces_.data()) {
            if (const std::size_t bytes = size(); bytes > 0) on_->gather(pieces_, bytes);
        } else {
            on_->queue(std::move(message_));
        }
        error_ = on_->failure();
    } catch (...) {
        error_ = std::make_error_code(std::errc::not_enough_memory);
    }
}

std::size_t outbox_wait::size() const noexcept {
    std::size_t sum = message_.size();
    for (const const_buffer& piece : pieces_) sum += piece.size;
    return sum;
}

void outbox_wait::cancel() noexcept {
    on_->remove(*this);
    confirm_cancel();
}

void outbox_wait::describe(std::string& out) const {
    out += wants_empty_ ? "an outbox to be empty: " : "room in an outbox: ";
    on_->describe_to(out);
}

void outbox_wait::keep_transport() noexcept {
    kept_ = &on_->transport_of();
    kept_->retain();
}

void outbox_wait::throw_failed() const {
    throw_stream_error(error_, "send to", kept_ ? kept_ : &on_->transport_of());
}

}  // namespace bight::detail

namespace bight {

outbox::outbox(stream& to, outbox_options options) {
    if (!to) detail::throw_stream_error(detail::no_connection(), "make an outbox for", nullptr);
    state_ = new detail::outbox_state(to.lower(), options);
}

outbox::~outbox() {
    if (state_) state_->let_go();
}

detail::outbox_state& outbox::state() const noexcept {
    if (!state_) [[unlikely]]
        detail::abort_misused("an outbox was used that is empty: it was moved from");
    return *state_;
}

bool outbox::send(payload message) { return state().send(std::move(message)); }
detail::outbox_waiter outbox::push(payload message) noexcept { return {state(), std::move(message), false}; }
detail::outbox_waiter outbox::flush() noexcept { return {state(), payload{}, true}; }
std::size_t outbox::queued() const noexcept { return state().bytes(); }
std::uint64_t outbox::dropped() const noexcept { return state().dropped(); }

}  // namespace bight
