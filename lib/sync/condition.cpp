#include <bight/sync/condition.hpp>

namespace bight {

void condition::notify_one() noexcept {
    home_.check("a condition");
    if (detail::condition_waiter* const w = waiters_.pop_front()) w->notified(true);
}

void condition::notify_all() noexcept {
    home_.check("a condition");
    while (detail::condition_waiter* const w = waiters_.pop_front()) w->notified(false);
}

void condition::destroyed_notifying() noexcept {
    detail::abort_misused("a condition was destroyed while a task that it notified waits for its mutex");
}

namespace detail {

bool condition_waiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    condition_->home_.check(home(), "a condition");
    if (!guard_->owns_lock()) abort_misused("a condition was waited for with a guard that holds no lock");
    mutex_ = guard_->release();
    condition_->waiters_.push_back(*this);
    mutex_->give_up();
    return true;
}

bool condition_waiter::try_lock() noexcept {
    if (!mutex_->try_take()) return false;
    guard_->mutex_ = mutex_;
    return true;
}

void condition_waiter::queue_for_lock() noexcept { mutex_->enqueue(*this); }

void condition_waiter::notified(bool alone) noexcept {
    notified_ = true;
    if (try_lock()) return ready();
    queue_for_lock();
    passes_on_ = alone;
    if (alone) ++condition_->passing_;
}

void condition_waiter::granted() noexcept {
    guard_->mutex_ = mutex_;
    if (cancelled_) return confirm_cancel();
    if (passes_on_) --condition_->passing_;
    ready();
}

// The task must unwind with the lock held, so it may have to wait for the lock; granted() confirms.
void condition_waiter::cancel() noexcept {
    cancelled_ = true;
    if (!notified_) {
        condition_->waiters_.remove(*this);
        if (try_lock()) return confirm_cancel();
        queue_for_lock();
    } else if (passes_on_) {
        --condition_->passing_;
        condition_->notify_one();
    }
}

void condition_waiter::describe(std::string& out) const {
    out += notified_ || cancelled_ ? "a mutex, after a condition" : "a condition";
}

}  // namespace detail
}  // namespace bight
