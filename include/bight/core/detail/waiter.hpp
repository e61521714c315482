// The contract of everything a task can wait for.
#pragma once

#include <bight/core/detail/job.hpp>
#include <bight/core/detail/work_item.hpp>
#include <bight/core/export.hpp>

#include <source_location>
#include <string>

namespace BIGHT_EXPORT bight {
namespace detail {

/// One await that may suspend. It lives in the awaiting coroutine's frame, so its address is stable from the
/// moment it is awaited until it is resumed; before that it may be moved.
///
/// An awaiter derives from it and from awaiter_base, and writes `suspend` so:
///
///     bool suspend(promise_base& p) noexcept {
///         if (!begin(p)) return true;    // the job is cancelled: its frames are about to go
///         if (result is there at once) return finish_now();
///         …arrange for ready() or confirm_cancel() to be called…
///         return true;
///     }
///
/// From `begin` on, exactly one of three things ends it: `finish_now`, `ready`, `confirm_cancel`; nothing may
/// throw. `cancel` is called while others are in the middle of cancelling: it calls no code of the user's.
class waiter : public work_item {
  public:
    using bight_awaitable = void;

    waiter() noexcept = default;
    waiter(waiter&& other) noexcept : work_item() { (void)other; }

    /// Asks the wait to end early. Called at most once, on the reactor's thread, while it is suspended. It
    /// must lead, now or later, to `ready` or `confirm_cancel`; it does not wait for that.
    virtual void cancel() noexcept = 0;

    /// Adds what it waits for, for the tree of tasks: "sleep", "receive on fd 7 (127.0.0.1:5000)".
    virtual void describe(std::string& out) const;

    /// Calls `visit(child, context)` for each job it waits for.
    virtual void visit_jobs(void (*visit)(const job&, void*), void* context) const;

  protected:
    ~waiter() = default;

    /// Suspends `p`'s job here. False when its cancellation was requested: nothing may be started then.
    bool begin(promise_base& p) noexcept;
    /// The same for the few waits that a cancelled task may still make (shield).
    void begin_shielded(promise_base& p) noexcept;

    /// In place of `begin`, for what waits for its turn only: p's job goes to the end of the ready queue, or
    /// unwinds.
    void requeue(promise_base& p) noexcept;

    /// The result was there without waiting. True when the task must let others run first (its budget is used
    /// up, and it has been queued): what `suspend` gives.
    bool finish_now() noexcept;

    /// The result is there: the task is resumed in the next turn, and can no longer be cancelled here.
    void ready() noexcept;

    /// The same, but gives the coroutine to go on with to a caller that can transfer to it.
    std::coroutine_handle<> ready_now() noexcept;

    /// Nothing was done, or what was done is undone: the task unwinds.
    void confirm_cancel() noexcept;

    bool suspended() const noexcept { return promise_ != nullptr; }
    promise_base& promise() const noexcept { return *promise_; }
    job& owner() const noexcept;
    reactor& home() const noexcept;

    void run() noexcept override;
    /// For those that resume a coroutine themselves: the job goes on from `where`.
    void enter(std::source_location where) noexcept;

  private:
    promise_base* promise_ = nullptr;
};

}  // namespace detail
}  // namespace bight
