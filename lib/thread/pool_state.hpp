// pool_state: the state shared by a thread pool, its threads, its limiters and its jobs.
#pragma once

#include "../core/process.hpp"

#include <bight/thread/thread_pool.hpp>

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace bight::detail {

using job_list = counted_list<pool_job>;

struct pool_state;

/// Which pool this thread belongs to, if any, and which job it runs.
struct pool_thread {
    const pool_state* of = nullptr;
    const pool_job* runs = nullptr;

    static pool_thread& here() noexcept;
};

/// One lock for everything: a job is in exactly one of the lists, which its stage tells.
///
/// The threads are detached and share ownership, so that a job that never ends does not block the destructor.
struct pool_state final : std::enable_shared_from_this<pool_state>, private fork_aware {
    explicit pool_state(const thread_pool_options& chosen);

    static pool_state& of(thread_pool& pool) noexcept { return *pool.state_; }
    static limiter_state* of(offload_limiter* limiter) noexcept;

    void add(pool_job& j, limiter_state* limiter);
    bool withdraw(pool_job& j) noexcept;
    bool abandon(pool_job& j) noexcept;
    pool_job::stage stage_of(const pool_job& j) const noexcept;
    thread_pool_statistics statistics() const noexcept;
    void shut_down() noexcept;

    thread_pool_options options;
    mutable std::mutex lock;
    std::condition_variable work_came;
    std::condition_variable thread_ended;
    job_list queued;
    job_list running;
    std::vector<limiter_state*> limiters;
    thread_pool_statistics counted;  // except `queued` and `running`, which are counted when asked for
    bool closed = false;

  private:
    void before_fork() noexcept override { lock.lock(); }
    void in_parent() noexcept override { lock.unlock(); }
    void in_child() noexcept override;
    static void lose_all(job_list& jobs) noexcept;
    void want_thread();
    void work();
    pool_job* next_job(std::unique_lock<std::mutex>& hold);
    bool ended(pool_job& j) noexcept;
    static void hand_on(limiter_state& limiter, job_list& to) noexcept;
    static void fail(pool_job& j) noexcept;

    fork_watch forks_{*this};
};

/// Guarded by the lock of its pool.
struct limiter_state {
    limiter_state(std::shared_ptr<pool_state> on, std::size_t most);
    limiter_state(const limiter_state&) = delete;
    limiter_state& operator=(const limiter_state&) = delete;
    ~limiter_state();

    const std::shared_ptr<pool_state> pool;
    const std::size_t limit;
    std::size_t in_use = 0;
    job_list waiting;
    std::weak_ptr<limiter_state> self;
};

}  // namespace bight::detail
