#include "pool_state.hpp"

#include "../core/no_signals.hpp"

#include <bight/core/error.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace bight {

namespace detail {

// pool_thread

pool_thread& pool_thread::here() noexcept {
    static constinit thread_local pool_thread of_this_thread;
    return of_this_thread;
}

// pool_job

pool_job::~pool_job() = default;

void pool_job::submit(pool_state& pool, limiter_state* limiter, reactor& home, listener& told) {
    home_ = &home;
    told_ = &told;
    pool_ = pool.shared_from_this();
    pool.add(*this, limiter);
}

bool pool_job::withdraw() noexcept { return pool_ && pool_->withdraw(*this); }
bool pool_job::abandon() noexcept { return pool_ && pool_->abandon(*this); }
pool_job::stage pool_job::where_it_is() const noexcept {
    return pool_ ? pool_->stage_of(*this) : stage::idle;
}
duration pool_job::shutdown_deadline() const noexcept { return pool_->options.shutdown_deadline; }

// pool_state

pool_state::pool_state(const thread_pool_options& chosen) : options(chosen) {
    if (options.max_threads == 0)
        options.max_threads = std::min(std::thread::hardware_concurrency() + 4, 32u);
}

limiter_state* pool_state::of(offload_limiter* limiter) noexcept {
    return limiter ? limiter->state_.get() : nullptr;
}

void pool_state::add(pool_job& j, limiter_state* limiter) {
    const std::lock_guard hold(lock);
    if (closed) throw std::system_error(errc::closed, "offload to a thread pool that is being destroyed");
    if (limiter) j.limiter_ = limiter->self.lock();
    if (limiter && limiter->in_use == limiter->limit) {
        j.stage_ = pool_job::stage::limited;
        limiter->waiting.push_back(j);
    } else {
        j.stage_ = pool_job::stage::queued;
        queued.push_back(j);
        try {
            want_thread();
        } catch (...) {
            queued.remove(j);
            j.stage_ = pool_job::stage::idle;
            throw;
        }
        if (limiter) ++limiter->in_use;
    }
    j.retain();  // for the pool
}

// Called when a job has been queued. Woken threads count as idle until they have taken a job, so their number
// is compared with the length of the queue. Throws the error if no thread could be started.
void pool_state::want_thread() {
    if (queued.size() <= counted.idle) {
        work_came.notify_one();
        return;
    }
    if (counted.threads >= options.max_threads) return;
    ++counted.threads;
    try {
        std::optional<no_signals> blocked;
        if (!options.handles_signals) blocked.emplace();
        std::thread([self = shared_from_this()] { self->work(); }).detach();
        ++counted.started;
    } catch (...) {
        --counted.threads;  // others may exist, but may wait for what this job is to do
        throw;
    }
}

void pool_state::work() {
    pool_thread& here = pool_thread::here();
    here.of = this;
    std::unique_lock hold(lock);
    while (pool_job* const j = next_job(hold)) {
        hold.unlock();
        here.runs = j;
        j->run();
        if (!ended(*j)) return;
        here.runs = nullptr;
        hold.lock();
    }
    --counted.threads;
    thread_ended.notify_all();
}

// The next job; null when this thread is to end.
pool_job* pool_state::next_job(std::unique_lock<std::mutex>& hold) {
    const time_point until = saturating_add(clock::now(), options.idle_time);
    while (queued.empty()) {
        if (closed || clock::now() >= until) return nullptr;
        ++counted.idle;
        work_came.wait_until(hold, until);
        --counted.idle;
    }
    pool_job* const j = queued.pop_front();
    j->stage_ = pool_job::stage::running;
    running.push_back(*j);
    return j;
}

// Queues the next job that waits for `limiter`, which has a free place.
void pool_state::hand_on(limiter_state& limiter, job_list& to) noexcept {
    if (pool_job* const next = limiter.waiting.pop_front()) {
        next->stage_ = pool_job::stage::queued;
        to.push_back(*next);
    } else {
        --limiter.in_use;
    }
}

// The calling thread will look for its next job, so a job that the limiter admits now needs no other thread.
// False when the job has forked and this is the child, where neither the job nor its thread belongs to the
// pool.
bool pool_state::ended(pool_job& j) noexcept {
    bool wanted = false;
    {
        const std::lock_guard hold(lock);
        if (j.stage_ == pool_job::stage::lost) return false;
        running.remove(j);
        j.stage_ = pool_job::stage::ended;
        ++counted.completed;
        wanted = !j.abandoned_;
        if (!wanted) {
            ++counted.dropped;
            --counted.abandoned;
        }
        if (j.limiter_) hand_on(*j.limiter_, queued);
    }
    if (wanted) {
        j.send(*j.home_);  // releases it
    } else {
        j.clear();
        j.release();
    }
    return true;
}

bool pool_state::withdraw(pool_job& j) noexcept {
    {
        const std::lock_guard hold(lock);
        if (j.stage_ == pool_job::stage::lost) return true;
        if (j.stage_ == pool_job::stage::queued) {
            queued.remove(j);
            if (j.limiter_) {
                const bool next = !j.limiter_->waiting.empty();
                hand_on(*j.limiter_, queued);
                // It takes the place of one for which a thread was provided already.
                if (next) work_came.notify_one();
            }
        } else if (j.stage_ == pool_job::stage::limited) {
            j.limiter_->waiting.remove(j);
        } else {
            return false;
        }
        j.stage_ = pool_job::stage::idle;
    }
    j.release();  // not the last reference: the task holds one until its frame is destroyed
    return true;
}

bool pool_state::abandon(pool_job& j) noexcept {
    const std::lock_guard hold(lock);
    if (j.stage_ == pool_job::stage::lost) return true;
    if (j.stage_ != pool_job::stage::running) return false;
    j.abandoned_ = true;
    ++counted.abandoned;
    return true;
}

pool_job::stage pool_state::stage_of(const pool_job& j) const noexcept {
    const std::lock_guard hold(lock);
    return j.stage_;
}

thread_pool_statistics pool_state::statistics() const noexcept {
    const std::lock_guard hold(lock);
    thread_pool_statistics s = counted;
    s.queued = queued.size();
    s.running = running.size();
    return s;
}

void pool_state::fail(pool_job& j) noexcept {
    try {
        throw std::system_error(errc::closed, "the thread pool was destroyed before this job could begin");
    } catch (...) {  // the error, or std::bad_alloc
        j.fail(std::current_exception());
    }
    j.send(*j.home_);
}

void pool_state::shut_down() noexcept {
    std::unique_lock hold(lock);
    closed = true;
    job_list never;
    const auto take_all = [&never](job_list& from) {
        while (pool_job* const j = from.pop_front()) {
            j->stage_ = pool_job::stage::ended;
            never.push_back(*j);
        }
    };
    for (const pool_job& j : queued) {
        if (j.limiter_) --j.limiter_->in_use;
    }
    take_all(queued);
    for (limiter_state* l : limiters) take_all(l->waiting);
    hold.unlock();
    while (pool_job* const j = never.pop_front()) fail(*j);
    hold.lock();
    work_came.notify_all();
    const time_point until = saturating_add(clock::now(), options.shutdown_deadline);
    // A job may destroy its own pool. Its thread ends later, and is not waited for here.
    const pool_thread& here = pool_thread::here();
    const std::size_t own = here.of == this ? 1 : 0;
    thread_ended.wait_until(hold, until, [&] { return counted.threads == own; });
    try {
        std::size_t left = 0;
        std::string lines;
        for (const pool_job& j : running) {
            if (&j == here.runs) continue;
            lines += (left++ == 0 ? " in " : ", in ") + describe_location(j.where());
        }
        hold.unlock();
        if (left == 0) return;
        const std::string text = "a thread pool was destroyed while " + std::to_string(left) +
                                 " of its jobs still ran; they go on by themselves. Offloaded" + lines;
        log(log_level::warning, text);
    } catch (...) {
        log(log_level::warning, "a thread pool was destroyed while some of its jobs still ran");
    }
}

// limiter_state

limiter_state::limiter_state(std::shared_ptr<pool_state> on, std::size_t most)
    : pool(std::move(on)), limit(std::max<std::size_t>(most, 1)) {
    const std::lock_guard hold(pool->lock);
    pool->limiters.push_back(this);
}

limiter_state::~limiter_state() {
    const std::lock_guard hold(pool->lock);
    std::erase(pool->limiters, this);
}

}  // namespace detail

}  // namespace bight
