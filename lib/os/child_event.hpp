// child_event: what tasks wait for that wait for a child.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/wait_list.hpp>

#include <string>

namespace bight::detail {

class child_event;
class child_process;

/// An await of one. It must not outlive the child.
class [[nodiscard("co_await it")]] child_awaiter final : public listed_waiter,
                                                         public awaiter_base<child_awaiter> {
  public:
    explicit child_awaiter(child_event& on) noexcept : on_(&on) {}
    child_awaiter(child_awaiter&&) noexcept = default;

    void await_resume() const noexcept {}
    void cancel() noexcept override;
    /// Which child, and what of it.
    void describe(std::string& out) const override;

  private:
    friend awaiter_base<child_awaiter>;
    friend class child_event;
    bool suspend(promise_base& p) noexcept;

    child_event* on_;
};

/// As a manual_reset_event, but one that says in the tree of tasks for which child somebody waits. Once set
/// it stays so.
class child_event {
  public:
    enum class what : unsigned char { end, end_and_pipes };

    child_event(const child_process& of, what is) noexcept : of_(of), is_(is) {}
    child_event(const child_event&) = delete;
    child_event& operator=(const child_event&) = delete;
    ~child_event() { waiters_.check_empty("a child process"); }

    child_awaiter wait() noexcept { return child_awaiter(*this); }
    bool is_set() const noexcept { return set_; }
    void set() noexcept {
        set_ = true;
        while (child_awaiter* const w = waiters_.pop_front()) w->ready();
    }

  private:
    friend class child_awaiter;
    const child_process& of_;
    wait_list<child_awaiter> waiters_;
    what is_;
    bool set_ = false;
};

}  // namespace bight::detail
