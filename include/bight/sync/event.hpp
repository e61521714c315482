// manual_reset_event, auto_reset_event: flags that tasks can wait for.
#pragma once

#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/sync/detail/event.hpp>

#include <coroutine>
#include <string>

namespace BIGHT_EXPORT bight {

class auto_reset_event;
class manual_reset_event;

/// Stays set until it is reset: set() wakes all waiting tasks, in the order in which they came, in the next
/// turn, and every later wait returns at once. A reset() right after set() does not undo the wake-ups.
///
/// Destroying an event while tasks wait ends the process with a message; tasks that have been woken no longer
/// use it. Thread: the reactor's; another thread's use is caught in debug builds.
class manual_reset_event : public detail::event_base {
  public:
    explicit manual_reset_event(bool initially_set = false) noexcept : event_base(initially_set, false) {}

    /// Sets the event. Does nothing when it is set already.
    void set() noexcept {
        home_.check("an event");
        set_ = true;
        while (detail::event_awaiter* const w = waiters_.pop_front()) w->ready();
    }
};

/// Each set() wakes one task: the one that has waited longest, or, when none waits, the next that comes. Two
/// calls of set() while no task waits wake only one (to count, use a semaphore). Cancelling a task that was
/// woken does not take the signal back: the task goes on, and is cancelled at its next await.
///
/// Destruction and thread: as manual_reset_event.
class auto_reset_event : public detail::event_base {
  public:
    explicit auto_reset_event(bool initially_set = false) noexcept : event_base(initially_set, true) {}

    void set() noexcept {
        home_.check("an event");
        if (detail::event_awaiter* const w = waiters_.pop_front()) {
            w->ready();
        } else {
            set_ = true;
        }
    }
    /// True when it was set; resets it.
    bool try_wait() noexcept {
        home_.check("an event");
        return take();
    }
};

}  // namespace bight
