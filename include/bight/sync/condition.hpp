// condition: waiting, with a mutex unlocked meanwhile, until another task says that something has changed.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/sync/detail/condition.hpp>
#include <bight/sync/mutex.hpp>

#include <coroutine>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// A condition variable for tasks of one reactor.
///
///     bight::mutex_guard held = co_await m.lock();
///     co_await changed.wait(held, [&] { return !items.empty(); });
///
/// First in, first out, and no wait ends without a notification. A notified task first gets the mutex again
/// (it joins the mutex's queue), then goes on in the next turn; so what was notified may have changed once
/// more: use the form with a predicate.
///
/// The guard says the truth at all times: it holds the lock before the wait and after it, however it ends,
/// and nothing in between. That goes for cancellation too: a cancelled task gets the mutex again before it
/// unwinds, or before with_timeout returns, so destructors and what comes after the time-out run with the
/// lock held; cancelling takes as long as others hold the mutex. A task that is cancelled after notify_one
/// chose it, and before it got the mutex, passes the notification on to the next that waits.
///
/// Destroying it while tasks wait, or while one that notify_one chose waits for the mutex, ends the process
/// with a message. A wait with a predicate may wait once more after a notification: it needs the condition
/// until it has ended. The mutexes must outlive the waits. Thread: the reactor's; another thread's use is
/// caught in debug builds.
class condition {
  public:
    condition() noexcept = default;
    condition(const condition&) = delete;
    condition& operator=(const condition&) = delete;
    ~condition() {
        waiters_.check_empty("a condition");
        if (passing_ > 0) destroyed_notifying();
    }

    /// Unlocks the mutex of `held` and waits for a notification; in between nothing can be missed. `held`
    /// must hold its lock (else the process ends with a message), and stay where it is.
    detail::condition_waiter wait(mutex_guard& held) noexcept {
        return detail::condition_waiter{*this, held};
    }

    /// Waits until `holds()` is true, asking it with the mutex locked: at first, and after each notification.
    /// When it is true at first, nothing is waited for. What it throws comes out of the wait.
    template <class P>
        requires std::is_invocable_r_v<bool, P&>
    task<> wait(mutex_guard& held, P holds) {
        while (!holds()) co_await wait(held);
    }

    /// Lets the task that has waited longest go on, if any. The mutex may be locked or not.
    void notify_one() noexcept;
    /// Lets all that wait now go on, in the order in which they came, as each gets the mutex.
    void notify_all() noexcept;

  private:
    friend class detail::condition_waiter;
    [[noreturn]] static void destroyed_notifying() noexcept;

    detail::wait_list<detail::condition_waiter> waiters_;
    std::size_t passing_ = 0;  // those that would pass a notification on
    detail::thread_checker home_;
};

}  // namespace bight
