// Implementation of bight/sync/event.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
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

/// The common part of both kinds of event: the flag and the queue.
class event_base {
  public:
    event_base(const event_base&) = delete;
    event_base& operator=(const event_base&) = delete;

    bool is_set() const noexcept { return set_; }
    /// Clears the flag. A task that set() has woken still goes on.
    void reset() noexcept {
        home_.check("an event");
        set_ = false;
    }

    /// `co_await e.wait()` returns when the event is set; at once when it is set already. A cancelled task
    /// leaves the queue.
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

class [[nodiscard("co_await it"), gnu::warn_unused]] event_awaiter final
    : public listed_waiter,
      public awaiter_base<event_awaiter> {
  public:
    explicit event_awaiter(event_base& on) noexcept : on_(&on) {}
    event_awaiter(event_awaiter&&) noexcept = default;

    void await_resume() const noexcept {}

    void cancel() noexcept override {
        on_->waiters_.remove(*this);
        confirm_cancel();
    }
    void describe(std::string& out) const override { out += "an event"; }

  private:
    friend class bight::manual_reset_event;
    friend class bight::auto_reset_event;
    friend awaiter_base<event_awaiter>;
    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        on_->home_.check(home(), "an event");
        if (on_->take()) return finish_now();
        on_->waiters_.push_back(*this);
        return true;
    }
    event_base* on_;
};

inline event_awaiter event_base::wait() noexcept { return event_awaiter{*this}; }

}  // namespace detail

}  // namespace bight
