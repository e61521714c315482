// manual_reset_event, auto_reset_event: a flag that tasks can wait for.
#pragma once

#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>
#include <string>

namespace BIGHT_EXPORT bight {

class auto_reset_event;
class manual_reset_event;

namespace detail {

class event_awaiter;

/// What both kinds of event have: the flag and the queue.
class event_base {
  public:
    event_base(const event_base&) = delete;
    event_base& operator=(const event_base&) = delete;

    bool is_set() const noexcept { return set_; }
    /// Clears the flag. A task that a set() has let go stays let go.
    void reset() noexcept {
        home_.check("an event");
        set_ = false;
    }

    /// `co_await e.wait()` returns when the event is set; at once when it is set already. Cancelling takes
    /// the task out of the queue.
    event_awaiter wait() noexcept;

  protected:
    event_base(bool set, bool automatic) noexcept : set_(set), automatic_(automatic) {}
    ~event_base() { waiters_.check_empty("an event"); }

    /// True when the event is set; an automatic one is then reset.
    bool take() noexcept {
        const bool was_set = set_;
        if (automatic_) set_ = false;
        return was_set;
    }

    wait_list<event_awaiter> waiters_;
    bool set_;
    bool automatic_;
    thread_checker home_;

  private:
    friend class event_awaiter;
};

class [[nodiscard("co_await it"), gnu::warn_unused]] event_awaiter final : public listed_waiter {
  public:
    explicit event_awaiter(event_base& on) noexcept : on_(&on) {}
    event_awaiter(event_awaiter&&) noexcept = default;

    bool await_ready() const noexcept { return false; }
    template <class P>
    BIGHT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<P> h) noexcept {
        if (!begin(h.promise())) return true;
        on_->home_.check(home(), "an event");
        if (on_->take()) return finish_now();
        on_->waiters_.push_back(*this);
        return true;
    }
    void await_resume() const noexcept {}

    void cancel() noexcept override {
        on_->waiters_.remove(*this);
        confirm_cancel();
    }
    void describe(std::string& out) const override { out += "an event"; }

  private:
    friend class bight::manual_reset_event;
    friend class bight::auto_reset_event;
    event_base* on_;
};

inline event_awaiter event_base::wait() noexcept { return event_awaiter{*this}; }

}  // namespace detail

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
