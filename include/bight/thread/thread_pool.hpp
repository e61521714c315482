// thread_pool: the threads that blocking calls run on. What uses them is offload (offload.hpp).
#pragma once

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>
#include <bight/thread/detail/remote_call.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <source_location>
#include <type_traits>

namespace BIGHT_EXPORT bight {

class offload_limiter;

/// How many threads a pool has, and for how long.
struct thread_pool_options {
    /// How many threads there are at most; 0: the number of processors plus 4, at most 32.
    unsigned max_threads = 0;
    /// A thread that had nothing to do for this long ends.
    duration idle_time = std::chrono::seconds(10);
    /// How long the pool's destructor, and a task that is cancelled because its reactor stops, wait for jobs
    /// that run.
    duration shutdown_deadline = std::chrono::seconds(10);
};
static_assert(std::is_trivially_destructible_v<thread_pool_options>);  // see reactor_options

struct thread_pool_statistics {
    std::size_t threads = 0;      ///< that exist now
    std::size_t idle = 0;         ///< of them, those that have nothing to do
    std::size_t queued = 0;       ///< jobs that wait for a thread (not those that wait for a limiter)
    std::size_t running = 0;      ///< jobs that run now
    std::size_t abandoned = 0;    ///< of them, those that no task waits for any more
    std::uint64_t started = 0;    ///< threads, ever
    std::uint64_t completed = 0;  ///< jobs that ended, ever
    std::uint64_t dropped = 0;    ///< of them, those whose result came too late for anyone
};

namespace detail {

struct pool_state;
struct limiter_state;

/// A callable on its way to a thread and its result on the way back. It is shared by the task that waits and
/// by the pool: whoever lets go last frees it.
class pool_job : private remote_call, public list_hook<pool_job> {
  public:
    enum class stage : std::uint8_t {
        idle,     // not submitted, or withdrawn
        queued,   // waits for a thread
        limited,  // waits for its limiter
        running,
        ended,  // its result is on its way to the task, or there
        lost,   // its thread is in the process that this one was forked from
    };

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    // Acquire and release: the last one sees what the others did before it frees.
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    const std::source_location& where() const noexcept { return where_; }

    /// Queues it; `told.job_ended()` is called on the thread of `home` when it has ended. Throws
    /// std::system_error: errc::closed when the pool is being destroyed, or why no thread could be started.
    class listener {
      public:
        virtual void job_ended() noexcept = 0;

      protected:
        ~listener() = default;
    };
    void submit(pool_state& pool, limiter_state* limiter, reactor& home, listener& told);

    /// What a cancelled task can still do about it. Thread: that of `home`, like `submit`.
    /// True when it had not begun: it never will, and nobody will be told.
    bool withdraw() noexcept;
    /// True when it runs: nobody will be told of its end, and its result is dropped. False when the result is
    /// on its way.
    bool abandon() noexcept;

    stage where_it_is() const noexcept;
    duration shutdown_deadline() const noexcept;
    /// In place of a thread, where there is none to be had: a simulated host.
    void run_here() noexcept { run(); }

  protected:
    explicit pool_job(std::source_location where) noexcept : where_(where) {}
    virtual ~pool_job();

    /// Calls the callable, keeps its result, and destroys the callable. Thread: the pool's.
    virtual void run() noexcept = 0;
    /// Destroys the callable, or the result.
    virtual void clear() noexcept = 0;
    /// It ended without having run.
    virtual void fail(std::exception_ptr why) noexcept = 0;

  private:
    friend struct pool_state;
    void arrived() noexcept override { told_->job_ended(); }
    void released(bool) noexcept override { release(); }

    std::atomic<unsigned> references_{1};
    reactor* home_ = nullptr;
    listener* told_ = nullptr;
    std::source_location where_;

    // Under the lock of the pool.
    std::shared_ptr<pool_state> pool_;
    std::shared_ptr<limiter_state> limiter_;
    stage stage_ = stage::idle;
    bool abandoned_ = false;
};

}  // namespace detail

/// A bounded number of threads, started when they are needed, for calls that block. Jobs wait in one queue,
/// first in, first out.
///
/// The destructor lets nothing new begin: tasks whose jobs wait in the queue get std::system_error
/// (errc::closed). It blocks until the running jobs have ended, but at most until `shutdown_deadline`, and
/// then reports what it leaves behind as a warning (set_log_handler): how many jobs, and the source line
/// where each was offloaded. Those go on by themselves: they own their callables and whatever these captured
/// by value, and a task that waits for one still gets its result. When the last reference to a pool goes on
/// one of its own threads, within a job or with what a job owned, that job is not waited for.
///
/// A forked child has none of the threads: the pool starts others there for the child's jobs. Those that the
/// parent had given to the pool are the parent's, and run there only; a task that waits for one in the child
/// does so until it is cancelled. A job that forks, and returns in the child as well, ends its thread there;
/// and the child with it, with status 0, when that is its last.
///
/// Thread: any, for all members.
class thread_pool {
  public:
    explicit thread_pool(const thread_pool_options& options = {});
    thread_pool(const thread_pool&) = delete;
    thread_pool& operator=(const thread_pool&) = delete;
    ~thread_pool();

    std::size_t max_threads() const noexcept;
    thread_pool_statistics statistics() const noexcept;

    /// The pool that offload uses unless it is given another: one for the process, with the default options,
    /// made when it is first asked for and never destroyed. It keeps no reactor: each reactor's tasks wait
    /// for their own jobs.
    static thread_pool& shared();

  private:
    friend class offload_limiter;
    friend struct detail::pool_state;
    std::shared_ptr<detail::pool_state> state_;
};

/// At most `limit` jobs of a kind at once, whatever the pool would allow: queries to a database that has few
/// connections, say. Jobs beyond that wait for their turn, first in, first out, without taking a thread. A
/// job gives its place back when it ends on its thread, abandoned or not. Copies share the limit.
///
/// Thread: any; tasks of several reactors may share one.
class offload_limiter {
  public:
    /// A limit of 0 counts as 1. Throws std::bad_alloc.
    explicit offload_limiter(std::size_t limit, thread_pool& pool = thread_pool::shared());
    std::size_t limit() const noexcept;
    /// Jobs that run, or wait for a thread, with its permission; and those that wait for it.
    std::size_t in_use() const noexcept;
    std::size_t waiting() const noexcept;

  private:
    friend struct detail::pool_state;
    std::shared_ptr<detail::limiter_state> state_;
};

}  // namespace bight
