#include "blocked_threads.hpp"

#include "spin_wait.hpp"

#include <mutex>

namespace bight::detail {

bool blocked_threads::add() noexcept {
    const std::lock_guard hold(lock_);
    if (ended_) return false;
    ++coming_;
    ++sending_;
    return true;
}

void blocked_threads::sent() noexcept {
    const std::lock_guard hold(lock_);
    --sending_;
}

void blocked_threads::came(blocked_thread* thread) noexcept {
    if (thread) list_.push_front(*thread);
    const std::lock_guard hold(lock_);
    --coming_;
}

void blocked_threads::begin() noexcept {
    const std::lock_guard hold(lock_);
    ended_ = false;
}

// Cancels without holding the lock: destructors that run then are user code, and may wait for a thread that
// calls add.
bool blocked_threads::end() noexcept {
    {
        const std::lock_guard hold(lock_);
        ended_ = true;
    }
    for (blocked_thread* c = list_.front(); c; c = list_.next(*c)) c->cancel_begun();
    return !empty();
}

bool blocked_threads::ended() const noexcept {
    const std::lock_guard hold(lock_);
    return ended_;
}

bool blocked_threads::empty() const noexcept {
    const std::lock_guard hold(lock_);
    return list_.empty() && coming_ == 0;
}

void blocked_threads::remove(blocked_thread& thread) noexcept { list_.remove(thread); }

void blocked_threads::await_senders() const noexcept {
    for (spin_wait wait;; wait.a_moment()) {
        const std::lock_guard hold(lock_);
        if (sending_ == 0) return;
    }
}

// The inbox has released its calls already. The ones that are left had come to a reactor that could not bring
// them to an end.
blocked_threads::~blocked_threads() {
    while (blocked_thread* const thread = list_.pop_front()) thread->abandon();
}

}  // namespace bight::detail
