#include <bight/thread/offload.hpp>

#include "pool_state.hpp"
#include "../core/platform.hpp"
#include "../core/reactor_state.hpp"

#include <bight/core/error.hpp>

#include <string>
#include <vector>

namespace bight::detail {

namespace {

// Collects the jobs that a reactor leaves behind in one turn into one message: it is posted with the first of
// them, and logs when it is called, or destroyed without a call.
class abandoned_jobs final : public posted {
  public:
    static void add(reactor& home, const std::source_location& where) {
        if (!current() || current()->home_ != &home) {
            auto* const report = new abandoned_jobs(home);
            current() = report;
            reactor_state::post(home, *report);
        }
        current()->lines_.push_back(where);
    }
    ~abandoned_jobs() override {
        if (current() == this) current() = nullptr;
        try {
            std::string text = "a reactor stopped while " + std::to_string(lines_.size()) +
                               " of its offloaded jobs still ran; they go on by themselves. Offloaded";
            const char* joint = " in ";
            for (const auto& line : lines_) {
                text += joint + describe_location(line);
                joint = ", in ";
            }
            log(log_level::warning, text);
        } catch (...) {
            log(log_level::warning, "a reactor stopped while some of its offloaded jobs still ran");
        }
    }
    void call() override {}

  private:
    explicit abandoned_jobs(reactor& home) : home_(&home) {}
    // Thread-local, since one reactor runs on a thread.
    static abandoned_jobs*& current() noexcept {
        static thread_local abandoned_jobs* report = nullptr;
        return report;
    }

    reactor* home_;
    std::vector<std::source_location> lines_;
};

}  // namespace

bool offload_waiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (platform* const host = platform::current()) {
        simulated_ = true;
        detail::reactor_access::arm(home(), *this, saturating_add(home().now(), host->time_on_a_thread()));
        return true;
    }
    limiter_state* const limiter = pool_state::of(options_.limiter);
    outside_.emplace(home());
    try {
        pool_state& pool =
            limiter ? *limiter->pool : pool_state::of(options_.pool ? *options_.pool : thread_pool::shared());
        job().submit(pool, limiter, home(), *this);
    } catch (...) {
        outside_.reset();
        refused_ = std::current_exception();
        return finish_now();
    }
    return true;
}

void offload_waiter::job_ended() noexcept {
    detail::reactor_access::disarm_grace(home(), *this);
    outside_.reset();
    ready();
}

void offload_waiter::cancel() noexcept {
    if (simulated_) {
        detail::reactor_access::disarm(home(), *this);
        confirm_cancel();
    } else if (job().withdraw()) {
        outside_.reset();
        confirm_cancel();
    } else if (options_.abandon_on_cancel) {
        if (job().abandon()) {
            outside_.reset();
            confirm_cancel();
        }
    } else {
        be_patient(reactor_stops());
    }
}

// Whether the reactor stops, which it does by cancelling its roots.
bool offload_waiter::reactor_stops() const noexcept {
    const bight::detail::job* root = &owner();
    while (root->parent()) root = root->parent();
    return root->cancel_requested();
}

// Waits without a limit until the reactor stops.
void offload_waiter::be_patient(bool stopping) noexcept {
    const duration patience = stopping ? job().shutdown_deadline() : duration::max();
    due_ = saturating_add(home().now(), patience);
    detail::reactor_access::arm_grace(home(), *this, patience);
}

void offload_waiter::stop_begins() noexcept {
    if (due_ != time_point::max()) return;  // the stop itself cancelled this task
    due_ = saturating_add(home().now(), job().shutdown_deadline());
    detail::reactor_access::arm(home(), *this, due_);
}

void offload_waiter::expired() noexcept {
    if (simulated_) {
        job().run_here();
        ready();
    } else {
        detail::reactor_access::disarm_grace(home(), *this);
        give_up();
    }
}

void offload_waiter::give_up() noexcept {
    if (!job().abandon()) return;  // the result is on its way
    outside_.reset();
    try {
        abandoned_jobs::add(home(), job().where());
    } catch (...) {
        log(log_level::warning, "a reactor stopped while an offloaded job still ran");
    }
    confirm_cancel();
}

void offload_waiter::describe(std::string& out) const {
    out += "a job ";
    switch (job().where_it_is()) {
        case pool_job::stage::queued: out += "that waits for a thread"; break;
        case pool_job::stage::limited: out += "that waits for its limiter"; break;
        case pool_job::stage::lost: out += "that the parent of this process has"; break;
        default: out += "on a thread"; break;
    }
}

}  // namespace bight::detail
