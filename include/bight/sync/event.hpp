// manual_reset_event, auto_reset_event: a flag that tasks can wait for.
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

/// Stays set until it is reset: set() lets go all that wait, in the order in which they came, in the next
/// turn, and every later wait returns at once. A reset() right after set() does not call them back.
///
/// Destroying an event while tasks wait ends the process with a message; tasks that have been let go do not
/// touch it any more. Thread: the reactor's; another thread's use is caught in debug builds.
class manual_reset_event : public detail::event_base {
  public:
    explicit manual_reset_event(bool initially_set = false) noexcept : event_base(initially_set, false) {}

    /// Sets it. Setting a set one does nothing.
    void set() noexcept {
        home_.check("an event");
        set_ = true;
        while (detail::event_awaiter* const w = waiters_.pop_front()) w->ready();
    }
};

/// Each set() lets go one task: the one that has waited longest, or, when nobody waits, the next that comes.
/// Setting it twice while nobody waits lets go one (for a count, use a semaphore). Cancelling a task that was
/// let go does not take the signal back: the task goes on, and is cancelled at its next await.
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
    /// True when it was set, which it then is no more.
    bool try_wait() noexcept {
        home_.check("an event");
        return take();
    }
};

}  // namespace bight
