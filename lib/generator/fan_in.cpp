#include <bight/generator/detail/fan_in.hpp>

#include <bight/core/error.hpp>

#include <system_error>
#include <utility>

namespace bight::detail {

// offer

offer::offer(fan_in& to) noexcept : to_(to) {
    if (to.in_order_) to.stand_in_line(*this);
}

offer::~offer() {
    if (listed_) to_.give_up(*this);
}

bool offer::hold_out() noexcept {
    held_out_ = true;
    if (!listed_) to_.stand_in_line(*this);
    if (!to_.taker_ || to_.first_held_out() != this) return true;
    taker& t = *std::exchange(to_.taker_, nullptr);
    to_.hand_over(*this, t);
    t.ready();
    ready();  // behind the others: a producer that always has an item must not get two turns to their one
    return true;
}

// Moving an item is user code, which may cancel the task whose item is being moved: that task has been served
// already.
void offer::cancel() noexcept {
    if (!listed_) return;
    to_.give_up(*this);
    confirm_cancel();
}

// taker

bool taker::look() noexcept {
    if (offer* const o = from_.first_held_out()) {
        from_.hand_over(*o, *this);
        o->ready();
        return finish_now();
    }
    if (from_.ended_) return finish_now();
    from_.taker_ = this;
    return true;
}

void taker::cancel() noexcept {
    if (from_.taker_ != this) return;  // as above
    from_.taker_ = nullptr;
    confirm_cancel();
}

void taker::rethrow_error() {
    if (error_) std::rethrow_exception(error_);
    if (from_.error_) std::rethrow_exception(std::exchange(from_.error_, nullptr));
    if (from_.cut_short_) {
        throw std::system_error(std::make_error_code(std::errc::operation_canceled),
                                "the group in which the items were made was cancelled");
    }
}

// fan_in

// Reports an error that came after the consumer had gone, or that it did not take.
fan_in::~fan_in() {
    if (error_) report_error({error_, "a task that made items for a generator which was dropped", {}});
}

offer* fan_in::first_held_out() const noexcept {
    offer* const first = line_.front();
    return first && first->held_out_ && !gap_ ? first : nullptr;
}

void fan_in::stand_in_line(offer& o) noexcept {
    line_.push_back(o);
    o.listed_ = true;
}

void fan_in::leave_line(offer& o) noexcept {
    line_.remove(o);
    o.listed_ = o.held_out_ = false;
}

// The producer has failed or is cancelled, and the others will be cancelled too. Until then, items behind its
// own must not be taken in its place.
void fan_in::give_up(offer& o) noexcept {
    gap_ = in_order_;
    leave_line(o);
}

void fan_in::hand_over(offer& o, taker& t) noexcept {
    leave_line(o);
    try {
        t.put(o.item_);
    } catch (...) {
        t.error_ = std::current_exception();
    }
}

void fan_in::end(const std::exception_ptr& error) noexcept {
    ended_ = true;
    error_ = error;
    if (taker* const t = std::exchange(taker_, nullptr)) t->ready();
}

void fan_in::consumer_gone() noexcept {
    dropped_ = true;
    if (crew_) crew_->cancel();
}

void fan_in::crew_gone() noexcept {
    crew_ = nullptr;
    if (ended_) return;
    cut_short_ = true;
    end(nullptr);
}

}  // namespace bight::detail
