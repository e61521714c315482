// condition: a condition variable for tasks.
#pragma once

#include <bight/core/detail/refused.hpp>
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
/// First in, first out, without spurious wake-ups. A notified task first locks the mutex again (it joins the
/// mutex's queue), then goes on in the next turn; by then the state may have changed again: use the form with
/// a predicate.
///
/// The guard holds the lock before and after the wait, however the wait ends, and nothing in between. This
/// includes cancellation: a cancelled task locks the mutex again before it unwinds, or before with_timeout
/// returns, so destructors and the code after a time-out run with the lock held; cancelling takes as long as
/// others hold the mutex. A task that is cancelled after notify_one chose it, but before it got the mutex,
/// passes the notification on to the next waiting task.
///
/// Destroying it while tasks wait, or while a task that notify_one chose waits for the mutex, ends the
/// process with a message. A wait with a predicate may wait again after a notification, so the condition must
/// live until that wait has ended. The mutexes must outlive the waits. Thread: the reactor's; another
/// thread's use is caught in debug builds.
class condition {
  public:
    condition() noexcept = default;
    condition(const condition&) = delete;
    condition& operator=(const condition&) = delete;
    ~condition() {
        waiters_.check_empty("a condition");
        if (passing_ > 0) destroyed_notifying();
    }

    /// Unlocks the mutex of `held` and waits for a notification; none can be missed in between. `held` must
    /// hold its lock (otherwise the process ends with a message), and must not be moved meanwhile.
    detail::condition_waiter wait(mutex_guard& held) noexcept {
        return detail::condition_waiter{*this, held};
    }

    /// Waits until `holds()` is true. Calls it with the mutex locked: at once, and after each notification.
    /// When it is true at once, does not wait. What `holds` throws is thrown by the wait.
    template <class P>
        requires std::is_invocable_r_v<bool, P&>
    task<> wait(mutex_guard& held, P holds) {
        while (!holds()) co_await wait(held);
    }
    // What no other overload takes.
    template <class Here = decltype([] {}), bool fits = false>
    auto wait(detail::anything = {}, detail::anything = {}) {
        static_assert(
            fits,
            "wait(guard) or wait(guard, predicate) takes the guard of the locked mutex, from auto guard "
            "= co_await m.lock(), and a function without arguments that gives a bool");
        return detail::refused_operation();
    }

    /// Wakes the task that has waited longest, if any. The mutex may be locked or not.
    void notify_one() noexcept;
    /// Wakes all tasks that wait now, in the order in which they came; each goes on when it gets the mutex.
    void notify_all() noexcept;

  private:
    friend class detail::condition_waiter;
    [[noreturn]] static void destroyed_notifying() noexcept;

    detail::wait_list<detail::condition_waiter> waiters_;
    std::size_t passing_ = 0;  // tasks that notify_one chose and that wait for the mutex: cancelled, they
                               // pass the notification on
    detail::thread_checker home_;
};

}  // namespace bight
