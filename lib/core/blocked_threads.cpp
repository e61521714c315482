#include "blocked_threads.hpp"

#include "spin_wait.hpp"

#include <mutex>

namespace bight::detail {

bool blocked_threads::add(blocked_thread& thread) noexcept {
    const std::lock_guard hold(lock_);
    if (ended_) return false;
    list_.push_front(thread);
    ++sending_;
    return true;
}

void blocked_threads::sent() noexcept {
    const std::lock_guard hold(lock_);
    --sending_;
}

void blocked_threads::begin() noexcept {
    const std::lock_guard hold(lock_);
    ended_ = false;
}

// Cancels without holding the lock: destructors that run then are user code, and may wait for a thread that
// calls add. Only this thread removes calls from the list, and new calls are added at the front.
bool blocked_threads::end() noexcept {
    blocked_thread* first = nullptr;
    {
        const std::lock_guard hold(lock_);
        ended_ = true;
        first = list_.front();
    }
    for (blocked_thread* c = first; c; c = list_.next(*c)) c->cancel_begun();
    return first != nullptr;
}

bool blocked_threads::ended() const noexcept {
    const std::lock_guard hold(lock_);
    return ended_;
}

bool blocked_threads::empty() const noexcept {
    const std::lock_guard hold(lock_);
    return list_.empty();
}

void blocked_threads::remove(blocked_thread& thread) noexcept {
    const std::lock_guard hold(lock_);
    list_.remove(thread);
}

void blocked_threads::await_senders() const noexcept {
    for (spin_wait wait;; wait.a_moment()) {
        const std::lock_guard hold(lock_);
        if (sending_ == 0) return;
    }
}

// The inbox has released its calls already. The ones that are left had begun on a reactor that could not
// bring them to an end.
blocked_threads::~blocked_threads() {
    while (blocked_thread* const thread = list_.pop_front()) thread->abandon();
}

}  // namespace bight::detail
