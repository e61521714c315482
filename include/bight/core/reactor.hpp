// The reactor: runs the tasks of one thread, and waits for the kernel when none can run.
#pragma once

#include <bight/core/detail/grace_timer.hpp>
#include <bight/core/detail/job.hpp>
#include <bight/core/detail/kept_task.hpp>
#include <bight/core/detail/posted.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/detail/work_item.hpp>
#include <bight/core/error.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor_options.hpp>
#include <bight/core/reactor_statistics.hpp>
#include <bight/core/task.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

class current_reactor;

namespace detail {
class event_port;
class reactor_access;
class root_job_base;
class simulated_thread;
struct reactor_state;
}  // namespace detail

/// Any number of reactors may exist, at most one runs on a thread at a time, and one may run again after it
/// returned. Unless a member says otherwise, it is for the thread that runs the reactor.
///
/// Forked processes: a reactor belongs to the process that runs it. One that was made and never ran is the
/// child's as well as the parent's (daemon(3)): each gets descriptors of its own when it runs there. In a
/// child that a task forks, the tasks go on as copies, without the connections, which are the parent's:
/// timers, threads and stop work, so that the child can leave `run`, and then make another reactor;
/// operations on streams and listeners fail, those that are pending stay so until they are cancelled, and
/// closing one says nothing to the peer.
///
/// A turn: if nothing is ready, or enough has run, the demultiplexer and then the timers that are due; then
/// the calls posted by other threads; then everything that is ready. What becomes ready while those run, runs
/// in the next turn. A reactor with nothing to do sleeps in one system call, without a time-out unless a
/// timer is armed.
class reactor {
  public:
    /// How many results one task may take without giving up control: operations that complete at once (the
    /// data was there) make it yield after this many, so that a hot socket starves nobody. A scope that ends
    /// counts as one. To await a plain task that never suspends is a call, and counts as none.
    static constexpr unsigned completion_budget = 32;
    /// While tasks are ready all the time, the demultiplexer and the timers are looked at before the next
    /// turn once this many resumptions have been, or when a task used up its completion budget. A turn
    /// resumes everything that was ready when it began, once: with more tasks than this ready, it is after
    /// each turn.
    static constexpr unsigned poll_interval = 64;
    /// How long connections that are being closed may still take once a stop was asked for.
    static constexpr std::chrono::seconds stop_patience{2};

    /// Throws std::system_error when the demultiplexer that was asked for cannot be had: the message lists
    /// those that can. May be constructed on one thread and run on another.
    explicit reactor(const reactor_options& options = {});
    reactor(const reactor&) = delete;
    reactor& operator=(const reactor&) = delete;
    /// Cancels what is left (see stop_now) and runs it to its end; then discards calls that were posted too
    /// late. So with tasks left it is destroyed where it can run: io_uring's on the thread that ran it, any
    /// where no other reactor runs. Elsewhere that ends the process with a message, because others may still
    /// refer to those tasks. In a process that was forked from the one that ran it it does nothing: all of it
    /// is the parent's.
    ~reactor();

    /// Runs `root` and everything else until root has ended, and the connections that were closed meanwhile
    /// have sent what they still had to send (until their deadlines). Gives root's value, throws its error,
    /// or throws run_cancelled. Throws std::logic_error when this reactor, or another on this thread, is
    /// running already, and in a process that was forked from one in which it ran.
    template <class T>
    T run(task<T> root);

    /// The same for main(): 0 or the task's int; 1 when it failed, after the error went to the error handler;
    /// -1 when it was cancelled.
    template <class T>
    int run_to_status(task<T> root);

    /// Starts a task that nobody awaits; its error, if any, goes to the error handler (set_error_handler). It
    /// runs within `run` and `run_once`, and the reactor's destructor cancels it. While a stop is under way
    /// it never begins. Throws std::bad_alloc, and std::system_error (errc::wrong_thread) when the reactor
    /// runs on another thread: post a call that starts it. It starts later than in the full expression that
    /// made it, so it must borrow no more than a task given to group::spawn.
    void start(task<> root, std::source_location where = std::source_location::current());
    /// The same with a task that `f(args…)` gives. The callable and the arguments are stored until it has
    /// ended, so a lambda that captures is safe here.
    template <class F, class... Args>
        requires std::is_invocable_r_v<task<>, F&, Args...>
    void start(F f, Args... args) {
        start(detail::call_stored(std::move(f), std::move(args)...));
    }
    template <class F, class... Args>
        requires(!std::is_invocable_r_v<task<>, F&, Args...> && !std::is_convertible_v<F, task<>>)
    void start(F, Args...) {
        static_assert(std::is_invocable_r_v<task<>, F&, Args...>,
                      "start(f, arguments...) stores copies of f and of the arguments, and f, called with "
                      "these, must give a task<>: for a parameter T& write std::ref(x), for an overloaded or "
                      "a template function a lambda that calls it");
    }

    /// One turn, for embedding in another loop: waits at most `limit` if nothing is ready. True when anything
    /// ran. A host loop watches `descriptor()` for input, calls run_once() when it is readable or when
    /// `next_deadline()` has come, and at once while has_ready().
    bool run_once(duration limit = duration::zero());
    bool has_ready() const noexcept { return !ready_.empty(); }
    time_point next_deadline() const noexcept;
    /// A descriptor that polls readable when there is work; -1 for poll and select, which have none: call
    /// run_once with a limit there.
    int descriptor() const noexcept;

    /// Asks everything that runs here to end: cancels the tasks given to run and start. What is given to
    /// start, or to block_on, before all of them have ended (before run returns, or within run_once the last
    /// task has ended) never begins. A stop that comes before run ends that run; one that comes in the turn
    /// in which the task of run ends is for the others that are there, and not for the next run. Thread: any,
    /// and a signal handler too.
    void stop() noexcept;
    /// The same without patience: shields, drains and closing connections reach their deadlines at once.
    /// Thread: any, and a signal handler too.
    void stop_now() noexcept;

    /// Calls `f()` on the reactor's thread, first in, first out, in its next turn; wakes the reactor if it
    /// sleeps. Thread: any. Throws std::bad_alloc. What `f` throws goes to the error handler. The reactor
    /// must outlive the call; what is left when it is destroyed is destroyed without being called.
    template <class F>
    void post(F&& f) {
        enqueue(new detail::posted_call<std::decay_t<F>>(std::forward<F>(f)));
    }

    /// "io_uring", "epoll", "poll" or "select".
    std::string_view demultiplexer_name() const noexcept;
    /// Why better demultiplexers were not used, or empty.
    const std::string& fallback_reason() const noexcept;

    /// The reactor that is running on this thread, as a pointer that may be null.
    static current_reactor current(std::source_location where = std::source_location::current()) noexcept;
    /// Thread: any.
    bool in_this_thread() const noexcept;

    /// The time now, on the real clock or on reactor_options::clock. Deadlines are measured from it.
    time_point now() const noexcept;
    /// What `now` was, within about a millisecond, when the demultiplexer was last looked at.
    time_point turn_time() const noexcept { return turn_time_; }
    reactor_statistics statistics() const noexcept;

    /// The tree of tasks: each with what it waits for, since when, and the source line where it does.
    std::string dump_tasks() const;
    /// Has the tree logged soon (log_level::requested). Thread: any, and a signal handler too.
    void request_dump() noexcept;

  private:
    friend struct detail::reactor_state;
    friend class detail::job;
    friend class detail::reactor_access;
    friend class outside_work;

    void arm_grace(detail::grace_timer& t, duration patience) noexcept;
    void disarm_grace(detail::grace_timer& t) noexcept;
    bool winding_up() const noexcept;
    bool hurry_leftovers() noexcept;
    void enqueue(detail::posted* call);
    void drive(detail::root_job_base& root, detail::promise_base& frame);
    void drive_simulated(detail::simulated_thread& thread, detail::root_job_base& root,
                         detail::promise_base& frame);
    void end_simulated(detail::simulated_thread& thread);
    bool turn(duration limit);
    void look(duration limit);
    void read_clock() noexcept;
    void sleep(duration limit);
    void sleep_in_virtual_time(duration limit);
    void run_ready() noexcept;
    void run_ready_observed() noexcept;
    void show_tasks() noexcept;
    void take_posted();
    void fire_timers();
    void expire_graces() noexcept;
    void limit_leftovers(time_point latest) noexcept;
    void begin_winding_up() noexcept;
    void await_leftovers();
    void start_root(detail::job& root, detail::promise_base& frame);
    void obey_stop(int level) noexcept;
    void end_stop() noexcept;

    detail::work_queue ready_;
    detail::timer_heap timers_;
    unsigned budget_ = 0;
    unsigned since_poll_ = 0;
    detail::event_port* port_ = nullptr;
    detail::reactor_state* state_ = nullptr;
    detail::job* running_job_ = nullptr;
    std::atomic<std::source_location> resumed_at_{};  // read by the stall watch's thread
    time_point turn_time_{};
    time_point made_{};
    std::uint32_t tick_ = 0;
    std::uint64_t tasks_ = 0;
    std::uint64_t live_tasks_ = 0;
    unsigned outside_ = 0;
};

namespace detail {
[[noreturn]] void throw_no_reactor(std::source_location where);
}

/// What reactor::current gives: a pointer to the reactor, or null. Using it as one that is there throws
/// std::logic_error, which names the line, when no reactor runs on this thread.
class current_reactor {
  public:
    current_reactor(reactor* here, std::source_location where) noexcept : here_(here), where_(where) {}
    operator reactor*() const noexcept { return here_; }
    reactor* operator->() const {
        if (!here_) [[unlikely]]
            detail::throw_no_reactor(where_);
        return here_;
    }
    reactor& operator*() const { return *operator->(); }

  private:
    reactor* here_;
    std::source_location where_;
};

/// What a run gives when its task ended by cancellation, having neither a value nor an error to give.
class run_cancelled : public std::exception {
  public:
    const char* what() const noexcept override { return "the task given to run() was cancelled"; }
};

/// While one lives, something outside the reactor (a thread, say) is about to post to it: a virtual clock
/// stands still, and a reactor where nothing can run is not deadlocked. Thread: the reactor's.
class outside_work {
  public:
    explicit outside_work(reactor& r) noexcept : reactor_(&r) { ++r.outside_; }
    outside_work(outside_work&& other) noexcept : reactor_(std::exchange(other.reactor_, nullptr)) {}
    outside_work& operator=(outside_work&& other) noexcept {
        std::swap(reactor_, other.reactor_);
        return *this;
    }
    ~outside_work() {
        if (reactor_) --reactor_->outside_;
    }

  private:
    reactor* reactor_;
};

// Implementation.

inline bool reactor::in_this_thread() const noexcept { return current() == this; }

namespace detail {

/// The lower half of a reactor, for the rest of the runtime. Thread: the reactor's.
class reactor_access {
  public:
    /// In the next turn.
    static void schedule(reactor& r, work_item& item) noexcept { r.ready_.push(item); }
    /// Has the next turn look at the kernel and the timers, although something is ready.
    static void poll_soon(reactor& r) noexcept { r.since_poll_ = reactor::poll_interval; }
    /// Takes one completion from the running task's budget. False when it is used up: the task must yield.
    static bool spend_budget(reactor& r) noexcept {
        if (r.budget_ > 0) {
            --r.budget_;
            return true;
        }
        poll_soon(r);
        return false;
    }
    static void arm(reactor& r, timer& t, time_point deadline) noexcept { r.timers_.arm(t, deadline); }
    static void disarm(reactor& r, timer& t) noexcept { r.timers_.disarm(t); }
    static void arm_grace(reactor& r, grace_timer& t, duration patience) noexcept {
        r.arm_grace(t, patience);
    }
    static void disarm_grace(reactor& r, grace_timer& t) noexcept { r.disarm_grace(t); }
    /// Whether `run` waits for nothing but leftovers.
    static bool winding_up(const reactor& r) noexcept { return r.winding_up(); }
    /// Hurries those that were not hurried before; false when there are none.
    static bool hurry_leftovers(reactor& r) noexcept { return r.hurry_leftovers(); }
    /// The job that runs now; null between tasks.
    static job* running_job(const reactor& r) noexcept { return r.running_job_; }
    /// Where it went on from. Thread: any.
    static std::source_location resumed_at(const reactor& r) noexcept {
        return r.resumed_at_.load(std::memory_order_relaxed);
    }
    /// turn_time in steps of 1/64 s since the reactor was made: a word short enough to be kept for each task,
    /// which goes round in two years.
    static std::uint32_t tick(const reactor& r) noexcept { return r.tick_; }
    static constexpr std::uint32_t ticks_per_second = 64;
    static void count_task(reactor& r, int change) noexcept {
        r.live_tasks_ += static_cast<std::uint64_t>(static_cast<std::int64_t>(change));
        r.tasks_ += change > 0 ? 1 : 0;
    }
};

// The parts of waiter and job that each await goes through.

inline std::uint32_t job::age() const noexcept {
    return (home_->tick_ / detail::reactor_access::ticks_per_second - started_) & 0xffffff;
}

inline void job::enter(std::source_location where) noexcept {
    home_->running_job_ = this;
    home_->resumed_at_.store(where, std::memory_order_relaxed);
    since_ = home_->tick_;
}

inline job& waiter::owner() const noexcept { return *promise_->job_; }
inline reactor& waiter::home() const noexcept { return promise_->job_->home(); }

inline void waiter::enter(std::source_location where) noexcept { owner().enter(where); }

inline void waiter::begin_shielded(promise_base& p) noexcept {
    job& j = *p.job_;
    promise_ = &p;
    j.innermost_ = &p;
    j.waiter_ = this;
}

inline bool waiter::begin(promise_base& p) noexcept {
    begin_shielded(p);
    if (!p.job_->cancel_requested_) return true;
    p.job_->schedule_unwind();
    return false;
}

inline void waiter::requeue(promise_base& p) noexcept {
    job& j = *p.job_;
    promise_ = &p;
    j.innermost_ = &p;
    if (j.cancel_requested_) {
        j.schedule_unwind();
    } else {
        detail::reactor_access::schedule(j.home(), *this);
    }
}

inline bool waiter::finish_now() noexcept {
    job& j = *promise_->job_;
    j.waiter_ = nullptr;
    if (detail::reactor_access::spend_budget(j.home())) return false;
    detail::reactor_access::schedule(j.home(), *this);
    return true;
}

inline void waiter::ready() noexcept {
    job& j = *promise_->job_;
    j.waiter_ = nullptr;
    detail::reactor_access::schedule(j.home(), *this);
}

inline std::coroutine_handle<> waiter::ready_now() noexcept {
    job& j = *promise_->job_;
    j.waiter_ = nullptr;
    j.enter(promise_->where_);
    return promise_->self();
}

class root_job_base : public job {
  public:
    /// See kept_task.
    virtual void free_frame() noexcept = 0;

  protected:
    ~root_job_base() = default;
};

/// The job of a task given to reactor::run; it lives on the stack of run.
template <class T>
class root_job final : public root_job_base {
  public:
    explicit root_job(task<T> root) noexcept : task_(std::move(root)) {}

    promise_base& frame() {
        if (!task_) misused_task();
        return task_.become_root(*this);
    }
    T take() {
        if (result() == outcome::cancelled) throw run_cancelled{};
        return task_.take();
    }
    void report() const noexcept { report_job_error(*this, task_.error()); }
    void describe(std::string& out) const override { out += "the task given to run()"; }
    void free_frame() noexcept override { task_.free_frame(); }

  private:
    std::coroutine_handle<> finished() noexcept override { return std::noop_coroutine(); }
    kept_task<T> task_;
};

}  // namespace detail

template <class T>
T reactor::run(task<T> root) {
    detail::root_job<T> job(std::move(root));
    drive(job, job.frame());
    return job.take();
}

template <class T>
int reactor::run_to_status(task<T> root) {
    detail::root_job<T> job(std::move(root));
    drive(job, job.frame());
    switch (job.result()) {
        case detail::outcome::value: break;
        case detail::outcome::error: job.report(); return 1;
        default: return -1;
    }
    if constexpr (std::is_void_v<T>) {
        return 0;
    } else {
        return static_cast<int>(job.take());
    }
}

}  // namespace bight
