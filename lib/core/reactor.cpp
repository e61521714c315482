#include <bight/core/reactor.hpp>

#include "frame_cache.hpp"
#include "inbox.hpp"
#include "reactor_state.hpp"
#include "thread_state.hpp"

#include "../demux/demultiplexer.hpp"

#include <bight/core/error.hpp>

#include <exception>
#include <stdexcept>
#include <utility>

namespace bight {

namespace detail {

// The job of a task given to reactor::start: it frees itself.
class started_job final : public job, public pooled {
  public:
    started_job(reactor_state& state, task<> t) noexcept : state_(state), task_(std::move(t).release()) {}
    ~started_job() = default;

    promise_base& frame() {
        if (!task_) misused_task();
        task_.promise().become_root(*this, task_.handle());
        return task_.promise();
    }
    void describe(std::string& out) const override { out += "a task given to start()"; }

  private:
    std::coroutine_handle<> finished() noexcept override {
        home().schedule(*this);  // the frame is freed when it is no longer the one that calls
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

// Makes a reactor the current one of its thread, with its cache of frames.
class running {
  public:
    running(reactor& r, reactor_state& state) : state_(state) {
        thread_state& here = this_thread();
        if (here.current) {
            throw std::logic_error(here.current == &r ? "this reactor is running already"
                                                      : "another reactor is running on this thread");
        }
        if (state.running.exchange(true)) throw std::logic_error("this reactor is running on another thread");
        try {
            state.demux->enter_thread();
        } catch (...) {
            state.running = false;
            throw;
        }
        here.current = &r;
        here.frames = &state.frames;
    }
    running(const running&) = delete;
    running& operator=(const running&) = delete;
    ~running() {
        thread_state& here = this_thread();
        here.current = nullptr;
        here.frames = nullptr;
        state_.running = false;
    }

  private:
    reactor_state& state_;
};

}  // namespace

reactor::reactor(const reactor_options& options) {
    auto state = std::make_unique<reactor_state>();
    state->demux = choose_demultiplexer(*this, options, state->fallback_reason);
    demultiplexer_ = state->demux.get();
    state_ = state.release();
}

reactor::~reactor() {
    if (!state_->roots.empty() || !ready_.empty() || !demultiplexer_->idle()) {
        try {
            const running here(*this, *state_);
            stop_now();
            while (!state_->roots.empty()) turn(duration::max());
            demultiplexer_->stop_all();
            while (!ready_.empty() || !demultiplexer_->idle()) turn(duration::max());
        } catch (const std::exception& e) {
            log(log_level::warning, std::string("a reactor was destroyed where it cannot run (") + e.what() +
                                        "): what it still had to do is lost");
        }
    }
    delete state_;
}

reactor* reactor::current() noexcept { return this_thread().current; }

time_point reactor::now() const noexcept { return clock::now(); }

std::string_view reactor::demultiplexer_name() const noexcept { return demultiplexer_->name(); }
const std::string& reactor::fallback_reason() const noexcept { return state_->fallback_reason; }
int reactor::descriptor() const noexcept { return demultiplexer_->pollable(); }

reactor_statistics reactor::statistics() const noexcept {
    reactor_statistics s = state_->counted;
    s.live_timers = timers_.size();
    return s;
}

void reactor::drive(job& root, promise_base& frame) {
    const running here(*this, *state_);
    state_->add_root(root);
    root.start(*this, nullptr, frame);
    try {
        while (root.result() == outcome::pending) turn(duration::max());
    } catch (...) {  // the demultiplexer failed, which leaves no way to finish in good order
        log(log_level::warning, "the reactor cannot wait any more");
        std::terminate();
    }
    state_->remove_root(root);
    state_->end_stop();
}

void reactor::start(task<> root) {
    auto* job = new started_job(*state_, std::move(root));
    state_->add_root(*job);
    job->start(*this, nullptr, job->frame());
}

bool reactor::run_once(duration limit) {
    const running here(*this, *state_);
    const bool any = turn(limit);
    if (state_->roots.empty() && state_->obeyed_level > 0) state_->end_stop();
    // The caller may wait for descriptor() now: the kernel must know of all that this turn has started.
    if (demultiplexer_->has_unsubmitted()) demultiplexer_->wait(duration::zero());
    return any;
}

// One turn; the order of its parts is a promise (see the class).
bool reactor::turn(duration limit) {
    obey_stop();
    if (ready_.empty() || poll_soon_ || since_poll_ >= poll_interval) {
        since_poll_ = 0;
        poll_soon_ = false;
        ++state_->counted.polls;
        if (ready_.empty()) {
            duration wait = limit;
            if (!timers_.empty() && wait > duration::zero()) {
                const time_point next = timers_.next_deadline();
                const time_point now = clock::now();
                const duration left = next > now ? next - now : duration::zero();
                if (left < wait) wait = left;
            }
            const bool sleeps = wait > duration::zero() && state_->posted.sleep();
            demultiplexer_->wait(sleeps ? wait : duration::zero());
            if (sleeps && state_->posted.wake_up()) ++state_->counted.wakes;
        } else if (demultiplexer_->worth_polling()) {
            demultiplexer_->wait(duration::zero());
        }
        if (!timers_.empty()) fire_timers();
        obey_stop();
    }
    const bool called = take_posted();
    if (ready_.empty()) return called;
    run_ready();
    return true;
}

void reactor::run_ready() noexcept {
    work_queue batch;
    batch.append(ready_);
    ++state_->counted.turns;
    std::uint64_t ran = 0;
    while (work_item* item = batch.pop()) {
        budget_ = completion_budget;
        item->run();
        ++ran;
    }
    state_->counted.resumptions += ran;
    since_poll_ += ran < poll_interval ? static_cast<unsigned>(ran) : poll_interval;
}

void reactor::fire_timers() {
    const time_point now = clock::now();
    const std::uint64_t mark = timers_.mark();
    while (timer* due = timers_.pop_due(now, mark)) due->expired();
}

void reactor::enqueue(posted* call) {
    if (state_->posted.push(*call)) demultiplexer_->wake();
}

bool reactor::take_posted() {
    posted* call = state_->posted.take();
    const bool any = call != nullptr;
    while (call) {
        const std::unique_ptr<posted> one(call);
        call = call->next;
        try {
            one->call();
        } catch (...) {
            report_error({std::current_exception(), "a call posted to the reactor", {}});
        }
    }
    return any;
}

void reactor::stop() noexcept {
    int none = 0;
    state_->stop_level.compare_exchange_strong(none, 1);
    demultiplexer_->wake();
}

void reactor::stop_now() noexcept {
    state_->stop_level = 2;
    demultiplexer_->wake();
}

void reactor::obey_stop() noexcept {
    const int level = state_->stop_level.load(std::memory_order_acquire);
    if (level == state_->obeyed_level) return;
    state_->obeyed_level = level;
    if (level >= 1) {
        for (job* root : state_->roots) root->request_cancel();
    }
    if (level >= 2) expire_graces();
}

void reactor::arm_grace(grace_timer& t, duration patience) noexcept {
    grace_timer*& first = state_->first_grace;
    t.next_grace_ = first;
    t.previous_grace_ = nullptr;
    if (first) first->previous_grace_ = &t;
    first = &t;
    t.listed_ = true;
    const bool hurried = state_->obeyed_level >= 2;
    arm(t, hurried ? clock::now() : saturating_add(clock::now(), patience));
}

void reactor::disarm_grace(grace_timer& t) noexcept {
    if (!t.listed_) return;
    t.listed_ = false;
    disarm(t);
    if (t.previous_grace_) {
        t.previous_grace_->next_grace_ = t.next_grace_;
    } else {
        state_->first_grace = t.next_grace_;
    }
    if (t.next_grace_) t.next_grace_->previous_grace_ = t.previous_grace_;
}

void reactor::expire_graces() noexcept {
    const time_point now = clock::now();
    for (grace_timer* t = state_->first_grace; t; t = t->next_grace_) {
        if (t->armed()) arm(*t, now);
    }
    poll_soon_ = true;
}

std::string reactor::dump_tasks() const { return state_->dump(); }

}  // namespace bight
