// thread_pool: the threads on which offload (offload.hpp) runs blocking calls.
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

/// Options of a thread_pool.
struct thread_pool_options {
    /// The maximum number of threads; 0: the number of processors plus 4, at most 32.
    unsigned max_threads = 0;
    /// A thread that is idle for this long ends.
    duration idle_time = std::chrono::seconds(10);
    /// How long the pool's destructor, and a task that is cancelled because its reactor stops, wait for
    /// running jobs.
    duration shutdown_deadline = std::chrono::seconds(10);
    /// Whether its threads handle the signals of the process that the thread that makes them does not block
    /// (pthread_sigmask(3)). Without it they handle none but those of what they do themselves (SIGSEGV, …)
    /// and SIGPROF; but a program that a job starts, by system(3) say, then begins with the others blocked.
    /// No effect on Windows.
    bool handles_signals = true;
};
static_assert(std::is_trivially_destructible_v<thread_pool_options>);  // see reactor_options

struct thread_pool_statistics {
    std::size_t threads = 0;      ///< threads that exist now
    std::size_t idle = 0;         ///< threads that have nothing to do
    std::size_t queued = 0;       ///< jobs that wait for a thread (not those that wait for a limiter)
    std::size_t running = 0;      ///< jobs that run now
    std::size_t abandoned = 0;    ///< running jobs that no task waits for any more
    std::uint64_t started = 0;    ///< threads started in all
    std::uint64_t completed = 0;  ///< jobs that have ended in all
    std::uint64_t dropped = 0;    ///< those of them whose result came too late for their task
};

namespace detail {

struct pool_state;
struct limiter_state;

/// A callable to be run by a pool thread, and later its result. The waiting task and the pool share it: the
/// last one to release it frees it.
class pool_job : private remote_call, public list_hook<pool_job> {
  public:
    enum class stage : std::uint8_t {
        idle,     // not submitted, or withdrawn
        queued,   // waits for a thread
        limited,  // waits for its limiter
        running,
        ended,  // its result is on its way to the task, or has arrived
        lost,   // this process was forked: the job's thread is in the parent
    };

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    // Acquire and release: the last owner sees the others' writes before it frees the job.
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    const std::source_location& where() const noexcept { return where_; }

    /// Is told when a job has ended (see submit).
    class listener {
      public:
        virtual void job_ended() noexcept = 0;

      protected:
        ~listener() = default;
    };
    /// Queues the job; `told.job_ended()` is called on the thread of `home` when it has ended. Throws
    /// std::system_error: errc::closed when the pool is being destroyed, or why no thread could be started.
    void submit(pool_state& pool, limiter_state* limiter, reactor& home, listener& told);

    /// For a cancelled task, on the thread of `home`, like `submit` and `abandon`. True when the job had not
    /// begun: then it never runs, and the listener is not told.
    bool withdraw() noexcept;
    /// True when the job is running: then the listener is not told of its end, and its result is dropped.
    /// False when the result is on its way.
    bool abandon() noexcept;

    stage where_it_is() const noexcept;
    duration shutdown_deadline() const noexcept;
    /// Runs the job on this thread: for a simulated host, which has no pool threads.
    void run_here() noexcept { run(); }

  protected:
    explicit pool_job(std::source_location where) noexcept : where_(where) {}
    virtual ~pool_job();

    /// Calls the callable, keeps its result, and destroys the callable. Thread: the pool's.
    virtual void run() noexcept = 0;
    /// Destroys the callable, or the result.
    virtual void clear() noexcept = 0;
    /// The job has ended without having run.
    virtual void fail(std::exception_ptr why) noexcept = 0;

  private:
    friend struct pool_state;
    void arrived() noexcept override { told_->job_ended(); }
    void released(bool) noexcept override { release(); }

    std::atomic<unsigned> references_{1};
    reactor* home_ = nullptr;
    listener* told_ = nullptr;
    std::source_location where_;

    // Guarded by the lock of the pool.
    std::shared_ptr<pool_state> pool_;
    std::shared_ptr<limiter_state> limiter_;
    stage stage_ = stage::idle;
    bool abandoned_ = false;
};

}  // namespace detail

/// A limited number of threads, started when needed, for calls that block. Jobs wait in one queue, first in,
/// first out.
///
/// The destructor lets no job begin: tasks whose jobs wait in the queue get std::system_error (errc::closed).
/// It blocks until the running jobs have ended, but at most for `shutdown_deadline`; then it reports the jobs
/// that it leaves behind in a warning (set_log_handler), with their number and the source line where each was
/// offloaded. Those jobs go on by themselves: they own their callables and whatever these captured by value,
/// and a task that waits for one still gets its result. When a pool is destroyed on one of its own threads,
/// by a job or with an object that a job owned, that job is not waited for.
///
/// A forked child has none of the threads: there the pool starts new ones for the child's jobs. Jobs that
/// were submitted before the fork run in the parent only; a copy of a task that waits for one in the child
/// waits until it is cancelled. When a job forks and then returns in the child as well, its thread ends
/// there; if it is the child's last thread, the child exits with status 0.
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

    /// The default pool of offload: one for the process, with the default options, made on first use and
    /// never destroyed. It refers to no reactor: each reactor's tasks wait for their own jobs.
    static thread_pool& shared();

  private:
    friend class offload_limiter;
    friend struct detail::pool_state;
    std::shared_ptr<detail::pool_state> state_;
};

/// Lets at most `limit` jobs of one kind run at once, however many threads the pool has: queries to a
/// database that has few connections, say. Further jobs wait for their turn, first in, first out, without
/// taking up a thread. A job counts until it ends on its thread, abandoned or not. Copies share the limit.
///
/// Thread: any; tasks of several reactors may share one.
class offload_limiter {
  public:
    /// A limit of 0 counts as 1. Throws std::bad_alloc.
    explicit offload_limiter(std::size_t limit, thread_pool& pool = thread_pool::shared());
    std::size_t limit() const noexcept;
    /// The jobs that count towards the limit (running or waiting for a thread), and those that wait for their
    /// turn.
    std::size_t in_use() const noexcept;
    std::size_t waiting() const noexcept;

  private:
    friend struct detail::pool_state;
    std::shared_ptr<detail::limiter_state> state_;
};

}  // namespace bight
