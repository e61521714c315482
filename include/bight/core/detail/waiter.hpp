// waiter: the base class of awaiters, and the protocol of suspending, resuming and cancelling.
#pragma once

#include <bight/core/detail/job.hpp>
#include <bight/core/detail/work_item.hpp>
#include <bight/core/export.hpp>

#include <source_location>
#include <string>

namespace BIGHT_EXPORT bight {
namespace detail {

/// One await that may suspend. It lives in the frame of the awaiting coroutine, so its address is stable from
/// the await until the coroutine is resumed; before the await it may be moved.
///
/// An awaiter derives from it and from awaiter_base, and implements `suspend` like this:
///
///     bool suspend(promise_base& p) noexcept {
///         if (!begin(p)) return true;    // the job is cancelled: its frames are about to go
///         if (result is there at once) return finish_now();
///         …arrange for ready() or confirm_cancel() to be called…
///         return true;
///     }
///
/// One that seldom waits begins only when it must:
///
///         if (p.owner().cancel_requested()) { begin(p); return true; }
///         if (result is there at once) return finish_at_once(p);
///         begin_regardless(p);
///         return true;
///
/// From `begin` on, exactly one of three things ends it: `finish_now`, `ready`, `confirm_cancel`; nothing may
/// throw. `cancel` is called while other jobs are in the middle of cancelling: it must call no user code.
class waiter : public work_item {
  public:
    using bight_awaitable = void;

    waiter() noexcept = default;
    waiter(waiter&& other) noexcept : work_item() { (void)other; }

    explicit operator bool() const = delete;  // it has no result yet: if (auto x = co_await operation)

    /// Asks the wait to end early. Called at most once, on the reactor's thread, while the task is suspended.
    /// It must lead to `ready` or `confirm_cancel`, now or later, and does not wait for that.
    virtual void cancel() noexcept = 0;

    /// Appends a description of the wait, for the tree of tasks: "sleep", "receive on fd 7 (127.0.0.1:5000)".
    virtual void describe(std::string& out) const;

    /// Calls `visit(child, context)` for each job it waits for.
    virtual void visit_jobs(void (*visit)(const job&, void*), void* context) const;

  protected:
    ~waiter() = default;

    /// Suspends `p`'s job here. False when its cancellation was requested: then nothing may be started.
    bool begin(promise_base& p) noexcept;
    /// The same, whether cancellation was requested or not: for the few waits that a cancelled task may still
    /// make (shield), and for operations that asked before.
    void begin_regardless(promise_base& p) noexcept;

    /// Replaces `begin` where a task only yields: p's job goes to the end of the ready queue, or unwinds if
    /// it is cancelled.
    void requeue(promise_base& p) noexcept;

    /// The result was there without waiting. Gives what `suspend` is to return: true when the budget is used
    /// up, so that the task has been queued and others run first.
    bool finish_now() noexcept;
    /// The same without `begin` before.
    bool finish_at_once(promise_base& p) noexcept;

    /// The result is there: the task is resumed in the next turn, and can no longer be cancelled here.
    void ready() noexcept;

    /// The same, but returns the coroutine, for a caller that can transfer to it.
    std::coroutine_handle<> ready_now() noexcept;

    /// Nothing was done, or it has been undone: the task unwinds.
    void confirm_cancel() noexcept;

    bool suspended() const noexcept { return promise_ != nullptr; }
    promise_base& promise() const noexcept { return *promise_; }
    job& owner() const noexcept;
    reactor& home() const noexcept;

    void run() noexcept override;
    /// For waiters that resume a coroutine themselves: records that the job is resumed at `where`.
    void enter(std::source_location where) noexcept;

  private:
    /// Gives true, so that it can be called last.
    bool let_others_run(promise_base& p) noexcept;

    promise_base* promise_ = nullptr;
};

}  // namespace detail
}  // namespace bight
