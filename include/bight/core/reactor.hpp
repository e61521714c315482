// reactor: the event loop, which runs the tasks of one thread and waits for the kernel when none can run.
#pragma once

#include <bight/core/detail/grace_timer.hpp>
#include <bight/core/detail/job.hpp>
#include <bight/core/detail/kept_task.hpp>
#include <bight/core/detail/posted.hpp>
#include <bight/core/detail/refused.hpp>
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

/// Any number of reactors may exist, but at most one runs on a thread at a time. A reactor may run again
/// after `run` has returned. Unless a member says otherwise, it is for the thread that runs the reactor.
///
/// Forked processes: a reactor belongs to the process that runs it. One that has never run may be used by the
/// parent and by the child (daemon(3)): each gets its own descriptors when it runs there. In a child that a
/// task forks, copies of the tasks go on without the connections, which remain the parent's. Timers, threads
/// and stop work there, so that the child can leave `run` and make another reactor. New operations on streams
/// and listeners fail; pending ones stay pending until they are cancelled; closing a stream tells the peer
/// nothing.
///
/// A turn has three steps: if nothing is ready, or enough has run, it looks at the demultiplexer and then at
/// the timers that are due; it takes the calls posted by other threads; it runs everything that is ready.
/// What becomes ready meanwhile runs in the next turn. A reactor with nothing to do sleeps in one system
/// call, without a time-out unless a timer is armed.
class reactor {
  public:
    /// After this many operations that complete at once (the data was there) a task must yield, so that a
    /// busy socket starves no other task. The end of a scope counts as one. Awaiting a plain task that never
    /// suspends is a call, and counts as none.
    static constexpr unsigned completion_budget = 32;
    /// In one with many bytes, so many count as another completion.
    static constexpr std::size_t bytes_of_a_completion = std::size_t{64} << 10;
    /// While tasks are ready all the time, the reactor looks at the demultiplexer and the timers after this
    /// many resumptions, or when a task has used up its completion budget, always between two turns. Since a
    /// turn resumes once everything that was ready when it began, it looks after each turn when more tasks
    /// than this are ready.
    static constexpr unsigned poll_interval = 64;
    /// How long connections that are being closed may still take after a stop.
    static constexpr std::chrono::seconds stop_patience{2};

    /// Throws std::system_error when the requested demultiplexer is not available; the message lists those
    /// that are. May be constructed on one thread and run on another.
    explicit reactor(const reactor_options& options = {});
    reactor(const reactor&) = delete;
    reactor& operator=(const reactor&) = delete;
    /// Cancels the remaining tasks (see stop_now) and runs them to their ends, then discards calls that were
    /// posted too late. So a reactor that still has tasks must be destroyed where it can run: on a thread
    /// where no other reactor runs, and with io_uring on the thread that ran it. Anywhere else this ends the
    /// process with a message, because others may still refer to those tasks. In a child of the process that
    /// ran the reactor it does nothing: everything belongs to the parent.
    ~reactor();

    /// Runs `root`, and all other tasks meanwhile, until root has ended and closed connections have sent
    /// their remaining data (or their deadlines have passed). Gives root's value, throws its error, or throws
    /// run_cancelled. Throws std::logic_error when this or another reactor is already running on this thread,
    /// and in a child of a process in which it ran.
    template <class T>
    T run(task<T> root);
    // What no other overload takes.
    template <class Here = decltype([] {}), bool fits = false>
    auto run(detail::anything = {}) {
        static_assert(
            fits,
            "run(task) takes a task: call the function or the lambda, run(program()); what is to be "
            "awaited and is no task goes into one: bight::task<> program() { co_await ...; }");
        return detail::refused();
    }

    /// The same for main(): 0 or the task's int; 1 when it failed, after the error went to the error handler;
    /// -1 when it was cancelled.
    template <class T>
    int run_to_status(task<T> root);

    /// Starts a task that nobody awaits; its error, if any, goes to the error handler (set_error_handler). It
    /// runs within `run` and `run_once`, and the reactor's destructor cancels it. During a stop it never
    /// begins. Throws std::bad_alloc, and std::system_error (errc::wrong_thread) when the reactor runs on
    /// another thread: there, post a call that starts the task. It starts after the full expression that made
    /// it has ended, so the rules of group::spawn for references and captures apply.
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
        static_assert(detail::never<F>,
                      "start(f, arguments...) stores copies of f and of the arguments, and f, called with "
                      "these, must give a task<>: for a parameter T& write std::ref(x), for an overloaded or "
                      "a template function a lambda that calls it");
    }

    /// Runs one turn, for embedding in another event loop; waits at most `limit` if nothing is ready. True
    /// when anything ran. The host loop calls it once, and once more after each run(); then it watches
    /// `descriptor()`, and calls it when that is readable, when `next_deadline()` has come, and at once while
    /// has_ready().
    bool run_once(duration limit = duration::zero());
    /// Whether a turn has something to do now: a task to run, or operations to hand to the kernel (a
    /// cancellation by a callback of the host, say).
    bool has_ready() const noexcept;
    time_point next_deadline() const noexcept;
    /// A descriptor that polls readable when there is work; -1 for poll and select, which have none: with
    /// those, call run_once with a limit.
    int descriptor() const noexcept;

    /// Stops the reactor: cancels the tasks given to run and start. The stop lasts until all of them have
    /// ended (until run returns, or in run_once until the last task has ended); tasks that are given to start
    /// or block_on meanwhile never begin. A stop before run ends that run. A stop in the turn in which the
    /// task of run ends applies to the tasks that are left, not to the next run. Thread: any, also in a
    /// signal handler.
    void stop() noexcept;
    /// Stops at once: shields, drains and closing connections reach their deadlines immediately. Thread: any,
    /// also in a signal handler.
    void stop_now() noexcept;

    /// Has `f()` called on the reactor's thread in its next turn, in the order of posting; wakes the reactor
    /// if it sleeps. Thread: any. Throws std::bad_alloc. What `f` throws goes to the error handler. The
    /// reactor must outlive this call; functions that are left when the reactor is destroyed are never
    /// called.
    template <class F>
    void post(F&& f) {
        constexpr bool callable = std::is_invocable_v<std::decay_t<F>&>;
        static_assert(callable,
                      "post(f) takes a function or a lambda without arguments, which is called on the "
                      "reactor's thread: what it needs, it captures; a task is started there: "
                      "post([&r] { r.start(work); })");
        if constexpr (callable) enqueue(new detail::posted_call<std::decay_t<F>>(std::forward<F>(f)));
    }

    /// "io_uring", "epoll", "poll" or "select".
    std::string_view demultiplexer_name() const noexcept;
    /// Why better demultiplexers were not used, or empty.
    const std::string& fallback_reason() const noexcept;

    /// The reactor that runs on this thread, as a pointer that may be null.
    static current_reactor current(std::source_location where = std::source_location::current()) noexcept;
    /// Thread: any.
    bool in_this_thread() const noexcept;

    /// The time now, on the real clock or on reactor_options::clock. Deadlines are measured from it.
    time_point now() const noexcept;
    /// The value of `now`, within about a millisecond, at the last look at the demultiplexer.
    time_point turn_time() const noexcept { return turn_time_; }
    reactor_statistics statistics() const noexcept;

    /// The tree of tasks: what each waits for, since when, and at which source line.
    std::string dump_tasks() const;
    /// Has the tree logged soon (log_level::requested). Thread: any, also in a signal handler.
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
/// Throws a std::logic_error: `what` was used where no reactor runs on this thread.
[[noreturn]] void throw_no_reactor(const char* what, std::source_location where);
}  // namespace detail

/// What reactor::current gives: a pointer to the reactor, or null when none runs on this thread.
/// Dereferencing null throws a std::logic_error that names the line.
class current_reactor {
  public:
    current_reactor(reactor* here, std::source_location where) noexcept : here_(here), where_(where) {}
    operator reactor*() const noexcept { return here_; }
    reactor* operator->() const {
        if (!here_) [[unlikely]]
            detail::throw_no_reactor("reactor::current()", where_);
        return here_;
    }
    reactor& operator*() const { return *operator->(); }

  private:
    reactor* here_;
    std::source_location where_;
};

/// Thrown by run when its task was cancelled, and so has neither a value nor an error.
class run_cancelled : public std::exception {
  public:
    const char* what() const noexcept override { return "the task given to run() was cancelled"; }
};

/// Says, while it lives, that something outside the reactor (a thread, say) will post to it: a virtual clock
/// stands still, and a reactor where nothing can run is not considered deadlocked. Thread: the reactor's.
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

/// The functions of a reactor that only the rest of the runtime may call. Thread: the reactor's.
class reactor_access {
  public:
    /// Runs `item` in the next turn.
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
    /// The same for the bytes of a large transfer, which hold up others for longer than a completion does.
    static void spend_budget_for(reactor& r, std::size_t bytes) noexcept {
        const std::size_t more = bytes / reactor::bytes_of_a_completion;
        r.budget_ = r.budget_ > more ? r.budget_ - static_cast<unsigned>(more) : 0;
    }
    static void arm(reactor& r, timer& t, time_point deadline) noexcept { r.timers_.arm(t, deadline); }
    static void disarm(reactor& r, timer& t) noexcept { r.timers_.disarm(t); }
    static void arm_grace(reactor& r, grace_timer& t, duration patience) noexcept {
        r.arm_grace(t, patience);
    }
    static void disarm_grace(reactor& r, grace_timer& t) noexcept { r.disarm_grace(t); }
    /// Whether `run` waits only for leftovers (see grace_timer.hpp).
    static bool winding_up(const reactor& r) noexcept { return r.winding_up(); }
    /// Hurries the leftovers that were not hurried before; false when there are none.
    static bool hurry_leftovers(reactor& r) noexcept { return r.hurry_leftovers(); }
    /// The job that runs now; null between tasks.
    static job* running_job(const reactor& r) noexcept { return r.running_job_; }
    /// The line at which that job was last resumed. Thread: any.
    static std::source_location resumed_at(const reactor& r) noexcept {
        return r.resumed_at_.load(std::memory_order_relaxed);
    }
    /// turn_time in steps of 1/64 s since the reactor was made: short enough to be kept for each task. It
    /// wraps around after two years.
    static std::uint32_t tick(const reactor& r) noexcept { return r.tick_; }
    static constexpr std::uint32_t ticks_per_second = 64;
    static void count_task(reactor& r, int change) noexcept {
        r.live_tasks_ += static_cast<std::uint64_t>(static_cast<std::int64_t>(change));
        r.tasks_ += change > 0 ? 1 : 0;
    }
};

// The members of waiter and job that every await calls.

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

inline void waiter::begin_regardless(promise_base& p) noexcept {
    job& j = *p.job_;
    promise_ = &p;
    j.innermost_ = &p;
    j.waiter_ = this;
}

inline bool waiter::begin(promise_base& p) noexcept {
    begin_regardless(p);
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

inline bool waiter::finish_at_once(promise_base& p) noexcept {
    if (detail::reactor_access::spend_budget(p.job_->home())) [[likely]]
        return false;
    return let_others_run(p);
}

inline bool waiter::finish_now() noexcept {
    job& j = *promise_->job_;
    j.waiter_ = nullptr;
    return finish_at_once(*promise_);
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
