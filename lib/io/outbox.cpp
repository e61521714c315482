#include <bight/io/outbox.hpp>

#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/reactor.hpp>

#include <algorithm>
#include <array>
#include <deque>

namespace bight::detail {

/// The queue, and the write request that sends it. It lives as long as its outbox, and after that until it
/// has nothing more to write; the transport keeps it alive meanwhile.
class outbox_state final : public write_request {
  public:
    /// Throws std::bad_alloc: an empty deque has memory.
    outbox_state(transport& t, const outbox_options& options) : write_request(&t), options_(options) {
        t.retain();
    }

    bool send(payload&& message);
    bool queue(payload&& message);
    void let_go() noexcept;

    void add(outbox_waiter& w) noexcept { waiters_.push_back(w); }
    void remove(outbox_waiter& w) noexcept { waiters_.remove(w); }
    bool fits(std::size_t size) const noexcept { return bytes_ == 0 || bytes_ + size <= options_.capacity; }
    bool idle() const noexcept { return queue_.empty(); }
    bool waited_for() const noexcept { return !waiters_.empty(); }
    std::error_code failure() const noexcept { return failure_; }
    /// Why nothing can be queued any more; empty if something can.
    std::error_code refusal() const noexcept {
        return failure_ || to().accepts_writes() ? failure_ : to().why_closed();
    }
    void describe_to(std::string& out) const { to().describe(out); }

    std::size_t bytes() const noexcept { return bytes_; }
    std::uint64_t dropped() const noexcept { return dropped_; }

  private:
    ~outbox_state() { to().release(); }

    // Called from the ready queue when the transport has finished a batch.
    void run() noexcept override;
    void writer_free() noexcept override;
    void settled() noexcept override {}  // stays the stream's writer until the queue is empty
    void cancel() noexcept override {}   // no task waits in it

    // How many batches are written in a row before other tasks on this reactor have their turn.
    static constexpr unsigned most_batches = 16;

    void begin_batch() noexcept;
    void end_batch() noexcept;
    void pump() noexcept;
    void fail(std::error_code why) noexcept;
    void admit_waiters() noexcept;

    outbox_options options_;
    std::deque<payload> queue_;  // the transport is sending the first batch_ of them
    std::array<const_buffer, 16> pieces_;
    std::size_t batch_ = 0;
    std::size_t bytes_ = 0;
    std::uint64_t dropped_ = 0;
    std::error_code failure_;
    intrusive_list<outbox_waiter> waiters_;
    bool writing_ = false;  // is the stream's writer, or waits for its turn
    bool let_go_ = false;
};

// Whether the reader of the stream will notice a failed write by itself, after reading what has arrived.
// Otherwise the peer would wait for the dropped messages, and nobody would notice.
static bool concerns_reader(std::error_code failure) noexcept {
    return failure == std::errc::broken_pipe || failure == std::errc::connection_reset ||
           failure == std::errc::timed_out || failure.category() != std::system_category();
}

bool outbox_state::queue(payload&& message) {
    const std::size_t size = message.size();
    queue_.push_back(std::move(message));
    bytes_ += size;
    if (writing_) return true;
    const std::error_code claimed = to().claim_writer(*this);
    writing_ = !claimed || claimed == errc::busy;
    if (!claimed) {
        pump();
    } else if (!writing_) {
        fail(claimed);
    }
    return !failure_;
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
                const auto oldest = queue_.begin() + static_cast<std::ptrdiff_t>(batch_);
                bytes_ -= oldest->size();
                queue_.erase(oldest);
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
// stream's writer meanwhile.
void outbox_state::pump() noexcept {
    for (unsigned batches = 0; !queue_.empty(); ++batches) {
        if (!to().is_open()) {
            fail(to().why_closed());
            break;
        }
        if (batches == most_batches) {
            detail::reactor_access::schedule(to().home(), *this);
            return;
        }
        begin_batch();
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
    if (batch_ > 0) end_batch();
    pump();
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
    while (outbox_waiter* w = waiters_.front()) {
        if (failure_) {
            w->error_ = failure_;
        } else if (w->wants_empty_) {
            if (!queue_.empty()) return;
        } else {
            const std::size_t size = w->message_.size();
            if (!fits(size)) return;
            try {
                queue_.push_back(std::move(w->message_));
                bytes_ += size;
            } catch (...) {
                w->error_ = std::make_error_code(std::errc::not_enough_memory);
            }
        }
        waiters_.remove(*w);
        w->ready();
    }
}

// outbox_waiter

bool outbox_waiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    outbox_state& s = *on_;
    error_ = wants_empty_ ? s.failure() : s.refusal();
    if (error_ || (wants_empty_ && s.idle())) return finish_now();
    if (!wants_empty_ && !s.waited_for() && s.fits(message_.size())) {
        try {
            s.queue(std::move(message_));
            error_ = s.failure();
        } catch (...) {
            error_ = std::make_error_code(std::errc::not_enough_memory);
        }
        return finish_now();
    }
    s.add(*this);
    return true;
}

void outbox_waiter::cancel() noexcept {
    on_->remove(*this);
    confirm_cancel();
}

void outbox_waiter::describe(std::string& out) const {
    out += wants_empty_ ? "an outbox to be empty: " : "room in an outbox: ";
    on_->describe_to(out);
}

void outbox_waiter::throw_failed() const {
    std::string what = "send to ";
    on_->describe_to(what);
    throw std::system_error(error_, what);
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
