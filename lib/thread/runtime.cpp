#include <bight/thread/runtime.hpp>

#include "../core/reactor_state.hpp"
#include "runtime_state.hpp"
#include "system_threads.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/error.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

namespace bight::detail {

namespace {

/// The job of the task that runs on one reactor.
class shard_job final : public job {
  public:
    shard_job(scope& owner, std::size_t index) noexcept : owner_(owner), index_(index) {}
    std::coroutine_handle<> launch(task<>&& t, reactor& home, job& parent) noexcept {
        task_ = std::move(t).release();
        task_.promise().become_root(*this, task_.handle());
        return start_now(home, &parent, task_.promise());
    }
    std::exception_ptr error() const noexcept { return task_.promise().error(); }
    void describe(std::string& out) const override { out += "the task of reactor " + std::to_string(index_); }

  private:
    std::coroutine_handle<> finished() noexcept override { return owner_.child_finished(*this); }
    task_handle<void> task_;
    scope& owner_;
    std::size_t index_;
};

}  // namespace

/// Runs the task of one reactor, and keeps the reactor running until those of the others have ended too. A
/// stop of this reactor becomes a stop of all; the grace timer notices stop_now.
class shard_scope final : public scope, public awaiter_base<shard_scope>, private grace_timer {
  public:
    /// Throws std::bad_alloc; later, ending it needs no memory.
    shard_scope(shard_run& run, std::size_t index, bool stopped)
        : run_(run),
          child_(*this, index),
          all_ended_(new end_call(*this)),
          index_(index),
          stopped_(stopped) {}

    void await_resume() const noexcept {}

    void cancel() noexcept override {
        run_.stop();
        child_.request_cancel();
        detail::reactor_access::arm_grace(home(), *this, duration::max());
    }
    /// The call to be posted to its reactor once all tasks have ended.
    posted& all_ended_call() noexcept { return *all_ended_.release(); }
    void describe(std::string& out) const override {
        out += child_.result() == outcome::pending ? "its task" : "the tasks of the other reactors";
    }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        if (child_.result() == outcome::pending) visit(child_, context);
    }

  private:
    friend awaiter_base<shard_scope>;
    std::coroutine_handle<> suspend(promise_base& p) noexcept {
        begin_regardless(p);
        run_.scopes[index_] = this;
        if (stopped_) {
            run_.stop();
            run_.cut_short();
            run_.one_ended();
            return std::noop_coroutine();
        }
        try {
            return child_.launch(run_.roots.begin(index_), home(), owner());
        } catch (...) {
            run_.failed(std::current_exception());
            if (run_.reports) report_job_error(child_, std::current_exception());
            run_.one_ended();
            return std::noop_coroutine();
        }
    }
    class end_call final : public posted {
      public:
        explicit end_call(shard_scope& s) noexcept : scope_(s) {}
        void call() override { scope_.go_on(); }

      private:
        shard_scope& scope_;
    };

    void go_on() noexcept {
        detail::reactor_access::disarm_grace(home(), *this);
        ready();
    }
    std::coroutine_handle<> child_finished(job&) noexcept override {
        if (child_.result() == outcome::error) {
            if (run_.reports) report_job_error(child_, child_.error());
            run_.failed(child_.error());
        }
        if (child_.result() == outcome::cancelled) run_.cut_short();
        run_.one_ended();
        return std::noop_coroutine();
    }
    void expired() noexcept override { run_.stop(true); }

    shard_run& run_;
    shard_job child_;
    std::unique_ptr<posted> all_ended_;
    std::size_t index_;
    bool stopped_;
};

void shard_run::failed(const std::exception_ptr& error) noexcept {
    any_failed = true;
    if (!reports) {
        try {
            const std::lock_guard hold(lock);
            errors.push_back(error);
        } catch (...) {  // out of memory: report it instead
            report_error({error, "a task of a runtime", {}});
        }
    }
    stop();
}

void shard_run::stop(bool now) noexcept {
    const std::lock_guard hold(lock);
    if (over) return;
    if (now) {
        state.stop_now();
    } else {
        state.stop();
    }
}

void shard_run::one_ended() noexcept {
    if (remaining.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    {
        const std::lock_guard hold(lock);
        over = true;
    }
    for (std::size_t i = 0; i < scopes.size(); ++i) {
        if (shard_scope* s = scopes[i]) reactor_state::post(*state.workers[i]->own, s->all_ended_call());
    }
}

void shard_run::could_not_begin() noexcept {
    if (reports) report_error({std::current_exception(), "bight::runtime::run", {}});
    failed(std::current_exception());
    one_ended();
}

task<> shard_main(shard_run& run, std::size_t index, bool stopped) {
    co_await shard_scope(run, index, stopped);
}

void runtime_state::start() {
    std::size_t count = options.reactors;
    const bool in_a_world = simulated && !dynamic_cast<simulated_machine*>(simulated);
    if (!in_a_world && options.reactor.demultiplexer == demultiplexer_kind::automatic) {
        machine = machine_of_environment();
        if (machine) simulated = machine.get();
    }
    if (simulated) {
        make_simulated(count > 0 ? count : simulated->processors());
        return;
    }
    processors = usable_processors();
    if (count == 0) count = processors.size();
    if (count == 0) count = std::max(1U, std::thread::hardware_concurrency());
    start_threads(count);
}

void runtime_state::start_threads(std::size_t count) {
    workers.reserve(count);
    for (std::size_t i = 0; i < count; ++i) workers.push_back(std::make_unique<worker>());
    for (std::size_t i = 0; i < count; ++i) {
        {
            const std::lock_guard hold(lock);
            ++busy;
        }
        try {
            workers[i]->thread = std::thread([this, i] { be_worker(i); });
        } catch (...) {
            const std::lock_guard hold(lock);
            --busy;
            throw;
        }
    }
    std::unique_lock hold(lock);
    changed.wait(hold, [this] { return busy == 0; });
    if (start_error) std::rethrow_exception(start_error);
}

std::string runtime_state::name_of(std::size_t index) const {
    return "reactor " + std::to_string(index) + " of " + std::to_string(workers.size());
}

void runtime_state::join() noexcept {
    {
        const std::lock_guard hold(lock);
        ending = true;
    }
    changed.notify_all();
    for (auto& w : workers) {
        if (w->thread.joinable()) w->thread.join();
    }
}

void runtime_state::be_worker(std::size_t index) noexcept {
    worker& self = *workers[index];
    std::unique_lock hold(lock, std::defer_lock);
    try {
        name_thread(("bight-" + std::to_string(index)).c_str());
        if (options.pin_threads && !processors.empty()) {
            keep_to_processor(processors[index % processors.size()]);
        }
        const std::string name = name_of(index);
        reactor_options own = options.reactor;
        own.name = name;
        self.own.emplace(own);
        hold.lock();
        ++started;
    } catch (...) {
        if (!hold.owns_lock()) hold.lock();
        if (!start_error) start_error = std::current_exception();
    }
    --busy;
    changed.notify_all();
    std::uint64_t seen = 0;
    for (;;) {
        changed.wait(hold, [&] { return ending || runs != seen; });
        if (ending) break;
        seen = runs;
        shard_run& run = *current;
        hold.unlock();
        run_shard(run, index);
        hold.lock();
        --busy;
        changed.notify_all();
    }
    hold.unlock();
    if (!self.own) return;
    // Remaining tasks may post to the other reactors while they end: no reactor is destroyed before all are
    // done.
    try {
        self.own->stop_now();
        while (self.own->statistics().live_tasks > 0) self.own->run_once(duration::max());
    } catch (const std::exception& e) {
        log(log_level::warning, std::string("a reactor cannot end its tasks: ") + e.what());
    }
    hold.lock();
    ++done;
    changed.notify_all();
    changed.wait(hold, [this] { return done == started; });
    hold.unlock();
    self.own.reset();
}

void runtime_state::run_shard(shard_run& run, std::size_t index) noexcept {
    bool stopped = false;
    for (;;) {
        try {
            workers[index]->own->run(shard_main(run, index, stopped));
            return;
        } catch (const run_cancelled&) {
            // A stop came before the first turn, and the task never began. Runs again, so that this reactor
            // runs as long as the others, and passes the stop on to them.
            stopped = true;
        } catch (...) {  // could not begin: out of memory
            run.could_not_begin();
            return;
        }
    }
}

void runtime_state::run(shard_run& run) {
    if (made_in != this_process()) {
        throw std::logic_error(
            "the threads of this runtime are in the process that this one was forked from: make another one "
            "here");
    }
    if (reactor::current()) {
        throw std::logic_error("bight::runtime::run blocks: call it where no reactor runs");
    }
    {
        const std::lock_guard hold(lock);
        if (current) throw std::logic_error("this runtime is running already");
        current = &run;
    }
    // The first reactor passes a stop on to the others (see runtime::stop); each has its own tree of tasks to
    // dump.
    const bool dumps = options.handle_signals && options.dump_on_sigusr1;
    std::vector<std::unique_ptr<signal_stop>> signals;
    try {
        for (auto& w : workers) {
            const bool stops = options.handle_signals && signals.empty();
            signals.push_back(std::make_unique<signal_stop>(*w->own, stops, dumps));
        }
    } catch (...) {
        const std::lock_guard hold(lock);
        current = nullptr;
        throw;
    }
    if (simulated) {
        run_simulated(run);
        current = nullptr;
        return;
    }
    {
        std::unique_lock hold(lock);
        busy = workers.size();
        ++runs;
        changed.notify_all();
        changed.wait(hold, [this] { return busy == 0; });
        current = nullptr;
    }
    run.signal = signals.front()->received();
}

}  // namespace bight::detail

namespace bight {

using namespace detail;

runtime::runtime(const runtime_options& options) {
    if (options.reactor.clock) {
        throw std::invalid_argument("a virtual clock is for one reactor, and a runtime has several");
    }
    platform::refuse_reactor_in_task();
    auto made = std::make_unique<runtime_state>(options);
    made->start();
    state_ = made.release();
}

runtime::~runtime() {
    if (state_->made_in == this_process()) delete state_;  // a forked child has none of the threads
}

std::size_t runtime::size() const noexcept { return state_->workers.size(); }

bight::reactor& runtime::reactor(std::size_t index) const noexcept { return *state_->workers[index]->own; }

std::size_t runtime::index_here() const noexcept {
    const bight::reactor* const here = bight::reactor::current();
    std::size_t i = 0;
    while (i < size() && &reactor(i) != here) ++i;
    return i;
}

// Sets one flag only, not one for each reactor: so a stop at the end of a run applies to that run or to the
// next, never to some reactors of both.
void runtime::stop() noexcept { reactor(0).stop(); }
void runtime::stop_now() noexcept { reactor(0).stop_now(); }

int runtime::run_for_status(shard_roots& roots) {
    shard_run run(*state_, roots, true, size());
    state_->run(run);
    if (run.any_failed) return 1;
    if (run.cancelled) return run.signal ? 128 + run.signal : 1;
    return 0;
}

void runtime::run_or_throw(shard_roots& roots) {
    shard_run run(*state_, roots, false, size());
    state_->run(run);
    throw_errors(run.errors);
    if (run.any_failed) throw std::bad_alloc();  // the errors could not be stored
    if (!run.cancelled) return;
    if (run.signal) throw interrupted(run.signal);
    throw run_cancelled{};
}

}  // namespace bight
