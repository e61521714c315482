// job: a chain of coroutines that awaits one thing at a time; what is started, cancelled and reported as one.
#pragma once

#include <bight/core/detail/work_item.hpp>
#include <bight/core/export.hpp>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <source_location>
#include <string>

namespace BIGHT_EXPORT bight {
class reactor;
}

namespace BIGHT_EXPORT bight {
namespace detail {

class promise_base;
class waiter;
struct job_notes;

/// How a job ended. Cancellation is a third outcome, neither a value nor an exception.
enum class outcome : std::uint8_t { pending, value, error, cancelled };

/// The innermost coroutine of the chain is running, in the ready queue, or suspended in a `waiter`.
///
/// Cancelling: `request_cancel` marks the job and asks its waiter to stop. The waiter answers later, in one
/// of two ways. Either it delivers its result after all (success beats cancellation); the job then ends at
/// its next await, which sees the mark. Or it calls `waiter::confirm_cancel`; the reactor then destroys the
/// frames from the innermost to the root, so that destructors run as when a stack unwinds, and calls
/// `finished`.
///
/// A scope (group, race, with_timeout, …) owns jobs and outlives them; it overrides `finished`.
class job : public work_item {
  public:
    job() noexcept = default;
    /// Only a job that has not started may be moved.
    job(job&& other) noexcept : work_item() { (void)other; }

    /// Makes `root` the job's outermost coroutine and queues it: it runs in the next turn. If cancellation of
    /// `parent` was requested, it is requested here too.
    void start(reactor& home, job* parent, promise_base& root) noexcept;
    /// The same, but returns the coroutine to resume at once instead of queueing it.
    std::coroutine_handle<> start_now(reactor& home, job* parent, promise_base& root) noexcept;

    /// Thread: the reactor's. Asking twice, or after the end, does nothing.
    void request_cancel() noexcept;
    bool cancel_requested() const noexcept { return cancel_requested_; }
    /// Whether this is the job that runs now.
    bool running() const noexcept;
    /// For a shield, whose job does not inherit the cancellation of its parent.
    void forget_cancel() noexcept { cancel_requested_ = false; }

    reactor& home() const noexcept { return *home_; }
    job* parent() const noexcept { return parent_; }
    outcome result() const noexcept { return outcome_; }
    /// What it waits for; null while it runs, is ready to run, or cannot be cancelled any more.
    waiter* waiting() const noexcept { return waiter_; }
    /// The coroutine that last suspended; while the job runs, that may be gone.
    promise_base* innermost() const noexcept { return innermost_; }
    /// When it was last resumed, as a value of reactor_access::tick.
    std::uint32_t since() const noexcept { return since_; }
    /// When it began, in seconds since its reactor was made; wraps around after half a year.
    std::uint32_t started() const noexcept { return started_; }
    /// Seconds since it began.
    std::uint32_t age() const noexcept;

    /// Appends what the job is, for the tree of tasks and for error reports.
    virtual void describe(std::string& out) const;
    /// The same with its name, if it has one (name_task).
    void describe_with_name(std::string& out) const;
    /// Throws std::bad_alloc.
    void set_name(std::string name);

    /// The value that this job binds for the task_local `key`, or null.
    virtual const void* find_local(const void* key) const noexcept;

    /// Its name, and the coroutines that its last error went through; null when it has neither.
    const job_notes* notes() const noexcept { return notes_; }
    void adopt_trace(job& child) noexcept;

  protected:
    ~job() {
        if (notes_) [[unlikely]]
            drop_notes();
    }

    /// The chain has ended, with `how` in result(). For a value or an error the root frame is suspended at
    /// its end and still there (it must not be destroyed from within this call); after a cancellation every
    /// frame is gone. Returns the coroutine to resume next.
    virtual std::coroutine_handle<> finished() noexcept = 0;

    /// Called from the ready queue when `finished` has queued the job once more, to free what could not be
    /// freed then.
    virtual void reap() noexcept {}

  private:
    friend class waiter;
    friend class promise_base;
    friend struct final_awaiter;

    void run() noexcept final;
    /// It is resumed at `where`.
    void enter(std::source_location where) noexcept;
    void attach(reactor& home, job* parent, promise_base& root) noexcept;
    void end(outcome how) noexcept;
    void unwind() noexcept;
    void drop_notes() noexcept;
    void schedule_unwind() noexcept;
    static void cancel_waiters(job* first) noexcept;

    /// The state of the chain, and what `run`, called from the ready queue, does in it. Stages are passed in
    /// this order.
    enum class stage : std::uint8_t {
        idle,       ///< not started: never in the queue
        starting,   ///< in the queue: `run` resumes the root, or unwinds what was cancelled before it began
        running,    ///< running, or suspended in a waiter: the waiter is queued, never the job itself
        unwinding,  ///< the waiter has confirmed a cancellation: `run` destroys the frames and ends the job
        ended,      ///< `finished` was called: `run` calls `reap`, if `finished` queued the job again
    };

    reactor* home_ = nullptr;
    job* parent_ = nullptr;
    promise_base* innermost_ = nullptr;
    waiter* waiter_ = nullptr;
    job_notes* notes_ = nullptr;
    // One word.
    std::uint32_t since_ = 0;
    std::uint32_t started_ : 24 = 0;
    stage stage_ : 3 = stage::idle;
    outcome outcome_ : 2 = outcome::pending;
    bool cancel_requested_ : 1 = false;
};

}  // namespace detail
}  // namespace bight
