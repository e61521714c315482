#include <bight/sync/collector.hpp>

namespace bight::detail {

// result_place

result_place::result_place(collection& of) noexcept : of_(of) {
    if (of.in_order_) of.stand_in_line(*this);
}

// A task that was cancelled, or has failed, no longer keeps those behind it waiting.
result_place::~result_place() {
    if (listed_) of_.leave_line(*this);
    of_.serve_waiters();
}

bool result_place::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (of_.dropped_) return finish_now();
    waits_ = true;
    if (!listed_) of_.stand_in_line(*this);
    of_.serve_waiters();
    return true;
}

// Moving a result is user code, which may cancel the task whose result is being moved: that has been served
// already. Those behind this one are served when its frame goes.
void result_place::cancel() noexcept {
    if (!listed_) return;
    of_.leave_line(*this);
    confirm_cancel();
}

// result_waiter

bool result_waiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (result_place* const place = from_->first_that_waits(); place && from_->waiters_.empty()) {
        from_->hand_over(*place, *this);
        return finish_now();
    }
    if (from_->running_ == 0) return finish_now();
    from_->waiters_.push_back(*this);
    listed_ = true;
    return true;
}

// As above: a result that is being moved to this task is delivered.
void result_waiter::cancel() noexcept {
    if (!listed_) return;
    from_->waiters_.remove(*this);
    confirm_cancel();
}

// collection

result_place* collection::first_that_waits() const noexcept {
    result_place* const first = line_.front();
    return first && first->waits_ ? first : nullptr;
}

void collection::stand_in_line(result_place& p) noexcept {
    line_.push_back(p);
    p.listed_ = true;
}

void collection::leave_line(result_place& p) noexcept {
    line_.remove(p);
    p.listed_ = p.waits_ = false;
}

void collection::hand_over(result_place& from, result_waiter& to) noexcept {
    leave_line(from);
    try {
        to.put(from.result_);
    } catch (...) {
        to.error_ = std::current_exception();
    }
    from.ready();
}

void collection::serve_waiters() noexcept {
    while (!waiters_.empty()) {
        result_place* const place = first_that_waits();
        if (!place) return;
        result_waiter& next = *waiters_.pop_front();
        next.listed_ = false;
        hand_over(*place, next);
        next.ready();
    }
}

void collection::collector_gone() noexcept {
    waiters_.check_empty("a collector");
    dropped_ = true;
    while (result_place* const place = line_.front()) {
        const bool waits = place->waits_;
        leave_line(*place);
        if (waits) place->ready();
    }
    if (running_ == 0) delete this;
}

void collection::task_gone() noexcept {
    if (--running_ > 0) return;
    if (dropped_) {
        delete this;
        return;
    }
    while (result_waiter* const w = waiters_.pop_front()) w->ready();
}

}  // namespace bight::detail
