// spawned_task: a handle on one task of a group, for cancelling it or waiting for it.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>

#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {

class group;

namespace detail {
class group_job;
class spawned_task_awaiter;
}  // namespace detail

/// Returned by group::spawn. It can cancel that one task, wait for its end, and tell whether it has ended. It
/// may be ignored, and it may outlive the group; the task goes on without it. An error of the task still goes
/// to the group: waiting here does not report it.
///
/// A task has ended when its frame and the arguments of spawn have been destroyed: a connection that was
/// moved into it is closed by then.
///
/// Destroying it, or assigning to it, while a task waits for it ends the process with a message; when it is
/// moved, the waiting tasks move with it. Thread: the reactor's.
class spawned_task {
  public:
    /// Refers to no task, and counts as ended.
    spawned_task() noexcept = default;
    spawned_task(spawned_task&& other) noexcept { take(other); }
    spawned_task& operator=(spawned_task&& other) noexcept {
        if (this == &other) return *this;
        let_go();
        take(other);
        return *this;
    }
    ~spawned_task() { let_go(); }

    bool ended() const noexcept { return !job_; }
    /// Cancels this task only; the group goes on. A task that has not begun never begins. Does nothing when
    /// it has ended. A task may cancel itself: it ends at its next await.
    void cancel() noexcept;
    /// Waits until it has ended, however it ended. Cancelling the wait does not affect the task. Throws
    /// std::logic_error in the task itself, and in tasks that it waits for, because the wait would never end.
    detail::spawned_task_awaiter wait() noexcept;

  private:
    friend class group;
    friend class detail::group_job;
    friend class detail::spawned_task_awaiter;
    spawned_task(group& scope, detail::group_job& job) noexcept;

    void take(spawned_task& other) noexcept;
    void let_go() noexcept {
        if (job_) forget();
    }
    void forget() noexcept;
    void job_gone() noexcept;

    group* scope_ = nullptr;
    detail::group_job* job_ = nullptr;
    detail::wait_list<detail::spawned_task_awaiter> waiters_;
};

namespace detail {

class [[nodiscard("co_await it"), gnu::warn_unused]] spawned_task_awaiter final
    : public listed_waiter,
      public awaiter_base<spawned_task_awaiter> {
  public:
    explicit spawned_task_awaiter(spawned_task& of) noexcept : of_(&of) {}
    spawned_task_awaiter(spawned_task_awaiter&&) noexcept = default;

    void await_resume() const {
        if (for_itself_) throw_for_itself();
    }

    void cancel() noexcept override;
    void describe(std::string& out) const override { out += "the end of a task of a group"; }

  private:
    friend class bight::spawned_task;
    friend awaiter_base<spawned_task_awaiter>;
    bool suspend(promise_base& p) noexcept;
    [[noreturn]] static void throw_for_itself();

    spawned_task* of_;
    bool for_itself_ = false;
};

}  // namespace detail

inline detail::spawned_task_awaiter spawned_task::wait() noexcept {
    return detail::spawned_task_awaiter{*this};
}

}  // namespace bight
