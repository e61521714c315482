#include <bight/sync/shared_mutex.hpp>

namespace bight {

using detail::abort_misused;

// Lets in from the front whoever may enter. Called after each change that can make room: an unlock, or a
// waiter that left the queue (the readers behind a cancelled writer need no unlock to get in).
void shared_mutex::admit() noexcept {
    while (detail::shared_mutex_waiter* const next = waiters_.front()) {
        if (!free_for(next->shared_)) return;
        waiters_.remove(*next);
        take(next->shared_);
        next->ready();
    }
}

void shared_mutex::leave_exclusive() noexcept {
    home_.check("a shared_mutex");
    if (!writer_) abort_misused("a shared_mutex was unlocked that is not locked exclusively");
    writer_ = false;
    admit();
}

void shared_mutex::leave_shared() noexcept {
    home_.check("a shared_mutex");
    if (readers_ == 0) abort_misused("a shared_mutex was unlocked that is not locked shared");
    --readers_;
    admit();
}

void shared_mutex::destroyed_locked() const noexcept {
    waiters_.check_empty("a shared_mutex");
    abort_misused("a shared_mutex was destroyed while it is locked: it must outlive its guards");
}

namespace detail {

bool shared_mutex_waiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    mutex_->home_.check(home(), "a shared_mutex");
    if (mutex_->try_take(shared_)) return finish_now();
    mutex_->waiters_.push_back(*this);
    return true;
}

void shared_mutex_waiter::cancel() noexcept {
    mutex_->waiters_.remove(*this);
    confirm_cancel();
    mutex_->admit();
}

void shared_mutex_waiter::describe(std::string& out) const {
    out += shared_ ? "a shared_mutex, shared" : "a shared_mutex";
}

}  // namespace detail
}  // namespace bight
