#include <bight/core/reactor.hpp>

#include "checked_options.hpp"
#include "inbox.hpp"
#include "process.hpp"
#include "reactor_state.hpp"
#include "simulated_thread.hpp"
#include "thread_state.hpp"

#include <bight/core/error.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

namespace detail {

// The job of a task given to reactor::start: it frees itself.
class started_job final : public job, public pooled {
  public:
    started_job(reactor_state& state, task<> t) noexcept : state_(state), task_(std::move(t).release()) {}
    ~started_job() = default;

    promise_base& frame(std::source_location where) {
        if (!task_) misused_task(where);
        task_.promise().become_root(*this, task_.handle());
        return task_.promise();
    }
    void describe(std::string& out) const override { out += "a task given to start()"; }

  private:
    std::coroutine_handle<> finished() noexcept override {
        detail::reactor_access::schedule(
            home(), *this);  // the frame is freed when it is no longer the one that calls
        return std::noop_coroutine();
    }
    void reap() noexcept override {
        if (result() == outcome::error) report_job_error(*this, task_.promise().error());
        state_.remove_root(*this);
        delete this;
    }

    reactor_state& state_;
    task_handle<void> task_;
};

}  // namespace detail

using namespace detail;

namespace {

// Ends the process when there is no way to end gracefully.
[[noreturn]] void die(const char* why, const char* what) noexcept {
    try {
        log(log_level::warning, std::string(why) + ": " + what);
    } catch (...) {
        std::fputs(why, stderr);
    }
    std::terminate();
}

// A reactor was destroyed where it cannot run. Its remaining tasks can neither run to their ends nor be
// freed, because what they wait for (a thread, a channel, another reactor) would still refer to them.
void destroyed_elsewhere(const char* why, bool tasks_left) noexcept {
    if (tasks_left) {
        std::fprintf(
            stderr,
            "bight: a reactor was destroyed where it cannot run (%s), with tasks that have not ended: "
            "destroy it where it ran, or let its tasks end before (reactor::stop, and run it once more)\n",
            why);
        std::abort();
    }
    try {
        log(log_level::warning, std::string("a reactor was destroyed where it cannot run (") + why +
                                    "): what its connections still had to send is lost");
    } catch (const std::bad_alloc&) {
        log(log_level::warning,
            "a reactor was destroyed where it cannot run: what its connections still had "
            "to send is lost");
    }
}

// Makes a reactor the current one of its thread, with its cache of frames.
class running {
  public:
    running(reactor& r, reactor_state& state) : state_(state) {
        thread_state& here = this_thread();
        if (here.current) {
            throw std::logic_error(here.current == &r ? "this reactor is running already"
                                                      : "another reactor is running on this thread");
        }
        if (reactor_state::in_forked_child(r)) {
            throw std::logic_error(
                "this reactor ran in the process that this one was forked from: make another one here");
        }
        if (state.running.exchange(true)) throw std::logic_error("this reactor is running on another thread");
        try {
            if (state.inherited) state.make_machinery();
            state.port->enter_thread();
        } catch (...) {
            state.running = false;
            throw;
        }
        state.posted.wake_up();  // a host loop may have waited for it
        state.ran_in = this_process();
        state.last_thread.store(here.number(), std::memory_order_relaxed);
        here.current = &r;
        outside_ = std::exchange(here.failing, {std::uncaught_exceptions(), 0});
        state.blocked.begin();
        here.loop = this;
        here.use(state.reused_frames());
        here.poisons_frames = state.lives_in != nullptr;
        lender_here = state.port->lender();
        state.busy.begin();
    }
    running(const running&) = delete;
    running& operator=(const running&) = delete;
    ~running() {
        thread_state& here = this_thread();
        here.current = nullptr;
        here.failing = outside_;
        here.loop = nullptr;
        here.use(nullptr);
        here.poisons_frames = false;
        lender_here = nullptr;
        state_.busy.end();
        state_.running = false;
    }

  private:
    reactor_state& state_;
    thread_state::failures outside_;
};

}  // namespace

reactor::reactor(const reactor_options& options) {
    check_options(options);
    simulated_thread* const thread = simulated_thread::current();
    if (thread && options.clock) {
        throw std::invalid_argument("reactor_options::clock on a simulated host, whose time is its world's");
    }
    if (!options.platform && !thread) platform::refuse_reactor_in_task();
    auto state = std::make_unique<reactor_state>(*this, options);
    state->lives_in = options.platform;
    if (thread && !options.platform) {
        state->lives_in = &thread->add_reactor();
    } else if (!options.platform && options.demultiplexer == demultiplexer_kind::automatic) {
        state->own_platform = platform_of_environment();
        state->lives_in = state->own_platform.get();
    }
    if (state->lives_in) {
        state->port = state->lives_in->make_event_port(*this);
        state->virtual_time = &state->lives_in->time();
    } else {
        state->virtual_time = options.clock;
    }
    state->make_machinery();
    state_ = state.release();
    made_ = turn_time_ = now();
}

reactor::~reactor() {
    // In a forked child the kernel objects and the connections belong to the parent.
    if (reactor_state::in_forked_child(*this)) {
        state_->strand();
        return;
    }
    if (!state_->roots.empty() || !ready_.empty() || !port_->idle() || port_->has_pending() ||
        state_->leftovers > 0) {
        try {
            simulated_thread* const thread = simulated_thread::current();
            if (thread && thread->has(state_->lives_in)) end_simulated(*thread);
            const running here(*this, *state_);
            if (!state_->has_live_root()) await_leftovers();
            stop_now();
            state_->blocked.end();
            while (!state_->roots.empty() || state_->leftovers > 0) turn(duration::max());
            port_->stop_all();
            state_->leaving = true;
            while (!ready_.empty() || !port_->idle()) turn(duration::max());
        } catch (const std::exception& e) {
            destroyed_elsewhere(e.what(), !state_->roots.empty() || !ready_.empty());
        }
    }
    while (alert_listener* const l = state_->alert_listeners.pop_front()) l->reactor_goes();
    state_->blocked.end();
    state_->blocked.await_senders();
    delete state_;
}

current_reactor reactor::current(std::source_location where) noexcept {
    return {this_thread().current, where};
}

void detail::throw_no_reactor(const char* what, std::source_location where) {
    throw std::logic_error(describe_location(where) + ": " + what +
                           " was used where no reactor runs on this thread: call it within "
                           "bight::run or reactor::run, or keep a reference to the reactor");
}

time_point reactor::now() const noexcept {
    return state_->virtual_time ? state_->virtual_time->now() : clock::now();
}

std::string_view reactor::demultiplexer_name() const noexcept { return port_->name(); }
const std::string& reactor::fallback_reason() const noexcept { return state_->fallback_reason; }

int reactor::descriptor() const noexcept {
    const int here = port_->pollable();
    // From now on a post must make it readable: one that has been made already, too.
    if (here >= 0 && !std::exchange(state_->watched, true) && !state_->running && !state_->posted.sleep()) {
        port_->wake();
    }
    return here;
}

reactor_statistics reactor::statistics() const noexcept {
    reactor_statistics s = state_->counted;
    s.longest_turn = state_->busy.longest();
    s.tasks = tasks_;
    s.live_tasks = live_tasks_;
    s.live_timers = timers_.size();
    const event_port::figures there = port_->count_all();
    s.operations = there.operations;
    s.live_buffers = there.buffers;
    s.live_descriptors = there.descriptors;
    return s;
}

// run_ready with an observer. Not inline, so that it costs nothing without one.
[[gnu::noinline, gnu::cold]] void reactor::run_ready_observed() noexcept {
    item_observer& observer = *state_->observer;
    work_queue batch;
    batch.append(ready_);
    ++state_->counted.turns;
    while (work_item* item = batch.pop()) {
        budget_ = completion_budget;
        running_job_ = nullptr;
        observer.item_begins();
        item->run();
        observer.item_ended(running_job_);
        ++state_->counted.resumptions;
        if (since_poll_ < poll_interval) ++since_poll_;
    }
    running_job_ = nullptr;
}

// Runs everything that was ready when the turn began.
inline void reactor::run_ready() noexcept {
    if (state_->observer) [[unlikely]] {
        run_ready_observed();
        return;
    }
    work_queue batch;
    batch.append(ready_);
    ++state_->counted.turns;
    std::uint64_t ran = 0;
    while (work_item* item = batch.pop()) {
        budget_ = completion_budget;
        item->run();
        ++ran;
    }
    running_job_ = nullptr;
    state_->counted.resumptions += ran;
    since_poll_ += ran < poll_interval ? static_cast<unsigned>(ran) : poll_interval;
}

// Runs one turn; the order of its steps is documented in the class.
bool reactor::turn(duration limit) {
    if (state_->stop_asked()) [[unlikely]]
        obey_stop(state_->stop_level);
    if (ready_.empty() || since_poll_ >= poll_interval) {
        look(limit);
        if (state_->stop_asked()) [[unlikely]]
            obey_stop(state_->stop_level);
    }
    const bool called = !state_->posted.empty();
    if (called) take_posted();
    if (ready_.empty()) return called;
    run_ready();
    return true;
}

void reactor::drive(root_job_base& root, promise_base& frame) {
    if (simulated_thread* const thread = simulated_thread::current()) {
        if (!thread->has(state_->lives_in)) {
            throw std::system_error(thread->surroundings().refuse("running a reactor of another place"),
                                    "reactor::run on a simulated host: the reactor was not made there");
        }
        drive_simulated(*thread, root, frame);
        return;
    }
    const running here(*this, *state_);
    start_root(root, frame);
    std::string deadlocked;
    state_->driving = true;
    while (root.result() == outcome::pending) {
        try {
            turn(duration::max());
        } catch (const deadlock& d) {
            if (!deadlocked.empty()) die("the tasks do not end even when they are cancelled", d.what());
            deadlocked = state_->dump(tick_);
            stop_now();
        } catch (const std::exception& e) {  // the demultiplexer failed
            die("the reactor cannot wait any more", e.what());
        }
    }
    state_->driving = false;
    // Freed within the run, because it may hold connections. It was allocated outside, from the heap, and is
    // returned there: otherwise the reactor's cache would gain a frame with each run.
    this_thread().use(nullptr);
    root.free_frame();
    this_thread().use(state_->reused_frames());
    // Ends the calls of threads in block_on, which nobody would answer after the run.
    if (state_->blocked.end()) {
        while (!state_->blocked.empty()) turn(duration::max());
    }
    state_->remove_root(root);
    await_leftovers();
    end_stop();
    if (!deadlocked.empty()) throw deadlock(deadlocked);
}

void reactor::start(task<> root, std::source_location where) {
    root.refuse_borrowed("reactor::start", where);
    if (reactor_state::runs(*this) && !in_this_thread()) {
        throw std::system_error(errc::wrong_thread,
                                "reactor::start is for the thread that runs the reactor: from another one, "
                                "reactor::post a call that starts the task; a task awaits one of another "
                                "reactor with bight::on(reactor, f)");
    }
    auto job = std::make_unique<started_job>(*state_, std::move(root));
    start_root(*job, job->frame(where));
    job.release();  // it frees itself
}

// A stop in progress applies to the new task too.
void reactor::start_root(job& root, promise_base& frame) {
    state_->roots.push_back(&root);
    root.start(*this, nullptr, frame);
    if (state_->obeyed_level > 0) root.request_cancel();
}

bool reactor::run_once(duration limit) {
    if (simulated_thread::current() && !platform::current()->has_crashed()) [[unlikely]] {
        throw std::logic_error(
            "reactor::run_once is not simulated on a host's main function: the world gives its reactors "
            "their turns, within reactor::run");
    }
    const running here(*this, *state_);
    const bool any = turn(limit);
    if (state_->roots.empty() && state_->obeyed_level > 0) end_stop();
    // The caller may now wait for descriptor(), so everything that this turn has started must be submitted to
    // the kernel.
    if (port_->has_unsubmitted()) {
        port_->wait(duration::zero());
        if (state_->stop_asked() || state_->alerted.load(std::memory_order_relaxed)) port_->wake();
    }
    // And what is posted meanwhile must make it readable.
    if (state_->watched && !state_->posted.sleep()) port_->wake();
    return any;
}

bool reactor::has_ready() const noexcept { return !ready_.empty() || (port_ && port_->has_unsubmitted()); }

// Looks at the demultiplexer and the timers; waits for at most `limit` if nothing can run.
void reactor::look(duration limit) {
    since_poll_ = 0;
    ++state_->counted.polls;
    state_->busy.end();
    if (!ready_.empty()) {
        if (port_->worth_polling()) port_->wait(duration::zero());
    } else if (state_->virtual_time) {
        sleep_in_virtual_time(limit);
    } else {
        if (!timers_.empty() && limit > duration::zero()) {
            const time_point next = timers_.next_deadline();
            const time_point now = clock::now();
            const duration left = next > now ? next - now : duration::zero();
            if (left < limit) limit = left;
        }
        sleep(limit);
    }
    state_->busy.begin();
    if (!timers_.empty() || state_->virtual_time || state_->busy.clock_is_due()) read_clock();
    if (!timers_.empty() && timers_.next_deadline() <= turn_time_) {
        // This process may have been suspended since the last system call (SIGSTOP, a debugger, a sleeping
        // laptop): events that came before a deadline must be handled before its timer.
        if (!state_->virtual_time && port_->worth_polling()) port_->wait(duration::zero());
        fire_timers();
    }
    if (state_->alerted.load(std::memory_order_relaxed)) [[unlikely]]
        state_->answer_alert();
}

void reactor::read_clock() noexcept {
    turn_time_ = now();
    using ticks = std::chrono::duration<std::int64_t, std::ratio<1, reactor_access::ticks_per_second>>;
    tick_ = static_cast<std::uint32_t>(std::chrono::duration_cast<ticks>(turn_time_ - made_).count());
}

// Sleeps on the real clock, whatever clock the timers use.
void reactor::sleep(duration limit) {
    const bool sleeps = limit > duration::zero() && state_->posted.sleep();
    port_->wait(sleeps ? limit : duration::zero());
    if (sleeps && state_->posted.wake_up()) ++state_->counted.wakes;
}

void reactor::sleep_in_virtual_time(duration limit) {
    const auto nothing_came = [this] {
        return ready_.empty() && state_->posted.empty() && !state_->alerted.load(std::memory_order_relaxed);
    };
    virtual_clock& time = *state_->virtual_time;
    port_->wait(duration::zero());
    if (!nothing_came() || limit <= duration::zero() || next_deadline() <= time.now()) return;
    if (state_->leaving && port_->idle()) return;
    const bool kernel_is_asked =
        !port_->simulated() && (port_->has_pending() || !state_->alert_listeners.empty());
    const time_point next = std::min(next_deadline(), port_->next_event());
    if (outside_ == 0 && time.automatic() && next != time_point::max()) {
        if (kernel_is_asked) {
            // A wait may end early without completions: by a signal, or by an event that concerns no
            // operation.
            const time_point until = saturating_add(clock::now(), time.patience());
            for (duration left = time.patience(); left > duration::zero(); left = until - clock::now()) {
                sleep(left);
                if (!nothing_came()) return;
            }
        }
        time.advance_to(std::min(next, saturating_add(time.now(), limit)));
        port_->wait(duration::zero());
    } else if (outside_ == 0 && !kernel_is_asked && state_->driving) {
        throw deadlock(state_->dump(tick_));
    } else {
        sleep(limit);
    }
}

time_point reactor::next_deadline() const noexcept {
    const time_point next = timers_.next_deadline();
    return state_->lives_in ? std::max(next, state_->lives_in->timers_from()) : next;
}

void reactor::fire_timers() {
    if (state_->lives_in && timers_.next_deadline() <= turn_time_ && state_->lives_in->delays_timers())
        return;
    const std::uint64_t mark = timers_.mark();
    while (timer* due = timers_.pop_due(turn_time_, mark)) due->expired();
}

void reactor::enqueue(posted* call) {
    if (state_->posted.push(*call)) port_->wake();
}

void reactor::take_posted() {
    posted* call = state_->posted.take();
    while (call) {
        const std::unique_ptr<posted> one(call);
        call = call->next;
        try {
            one->call();
        } catch (...) {
            report_error({std::current_exception(), "a call posted to the reactor", {}});
        }
    }
}

void reactor::stop() noexcept {
    int none = 0;
    state_->stop_level.compare_exchange_strong(none, 1);
    port_->wake();
}

void reactor::stop_now() noexcept {
    state_->stop_level = 2;
    port_->wake();
}

void reactor::obey_stop(int level) noexcept {
    state_->obeyed_level = level;
    for (std::size_t i = 0; i < state_->roots.size(); ++i) {  // destructors may start tasks meanwhile
        state_->roots[i]->request_cancel();
    }
    if (level >= 2) {
        expire_graces();
    } else {
        for (grace_timer& t : state_->graces) t.stop_begins();
        limit_leftovers(saturating_add(now(), stop_patience));
    }
}

// All tasks that a stop was for have ended: the reactor may run again. A stop that has not been obeyed yet
// applies to the remaining tasks.
void reactor::end_stop() noexcept {
    const int level = state_->stop_level.exchange(0);
    if (level != state_->obeyed_level) obey_stop(level);
    state_->obeyed_level = 0;
}

void reactor::arm_grace(grace_timer& t, duration patience) noexcept {
    state_->graces.push_front(t);
    t.listed_ = true;
    if (t.outlives_) {
        ++state_->leftovers;
        if (state_->obeyed_level == 1) patience = std::min<duration>(patience, stop_patience);
    }
    const bool hurried = state_->obeyed_level >= 2;
    timers_.arm(t, hurried ? now() : saturating_add(now(), patience));
}

void reactor::disarm_grace(grace_timer& t) noexcept {
    if (!t.listed_) return;
    t.listed_ = false;
    if (t.outlives_) --state_->leftovers;
    if (std::exchange(t.awaited_, false)) --state_->awaited_leftovers;
    timers_.disarm(t);
    state_->graces.remove(t);
}

void reactor::expire_graces() noexcept {
    const time_point due = now();
    for (grace_timer& t : state_->graces) {
        if (t.outlives_) {
            static_cast<leftover&>(t).limit(due);
        } else if (t.armed()) {
            timers_.arm(t, due);
        }
    }
    reactor_access::poll_soon(*this);
}

void reactor::limit_leftovers(time_point latest) noexcept {
    for (grace_timer& t : state_->graces) {
        if (t.outlives_) static_cast<leftover&>(t).limit(latest);
    }
}

bool reactor::winding_up() const noexcept { return state_->winding_up; }

bool reactor::hurry_leftovers() noexcept {
    bool any = false;
    grace_timer* next = state_->graces.front();
    while (grace_timer* const t = next) {
        next = state_->graces.next(*t);
        if (!t->outlives_ || std::exchange(t->hurried_, true)) continue;
        static_cast<leftover*>(t)->hurry();
        any = true;
    }
    return any;
}

// Only the leftovers that exist now: a later run waits for those that come meanwhile, from tasks that nobody
// awaits.
void reactor::begin_winding_up() noexcept {
    for (grace_timer& t : state_->graces) {
        if (!t.outlives_) continue;
        if (!std::exchange(t.awaited_, true)) ++state_->awaited_leftovers;
    }
    state_->winding_up = true;
    grace_timer* next = state_->graces.front();
    while (grace_timer* const t = next) {
        next = state_->graces.next(*t);
        if (t->awaited_) static_cast<leftover*>(t)->hurry();
    }
}

void reactor::await_leftovers() {
    if (state_->leftovers == 0) return;
    begin_winding_up();
    // With a manual clock nobody is left who could advance it.
    if (state_->virtual_time && !state_->virtual_time->automatic()) limit_leftovers(now());
    try {
        while (state_->awaited_leftovers > 0) turn(duration::max());
    } catch (const std::exception& e) {
        die("the reactor cannot wait any more", e.what());
    }
    state_->winding_up = false;
}

std::string reactor::dump_tasks() const { return state_->dump(tick_); }

void reactor::request_dump() noexcept {
    state_->dump_requested = true;
    reactor_state::alert(*this);
}

// What was noted before the alert is seen after it.
void reactor_state::answer_alert() noexcept {
    (void)alerted.exchange(false);
    if (dump_requested.load(std::memory_order_relaxed)) self.show_tasks();
    alert_listener* next = alert_listeners.front();
    while (alert_listener* const l = next) {
        next = alert_listeners.next(*l);
        l->alerted();
    }
}

void reactor::show_tasks() noexcept {
    state_->dump_requested = false;
    try {
        log(log_level::requested, "tasks on " + state_->title() + ":\n" + state_->dump(tick_));
    } catch (const std::bad_alloc&) {
        log(log_level::requested, "there is no memory for the tree of tasks");
    }
}

}  // namespace bight
