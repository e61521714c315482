#include <bight/core/job.hpp>

#include "error_trace.hpp"

#include <bight/core/promise.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/waiter.hpp>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace bight::detail {

void misused_task() noexcept {
    std::fputs("bight: a task was awaited that is empty: it was moved from, or awaited before\n", stderr);
    std::abort();
}

// job

job::~job() { delete trace_; }

void job::start(reactor& home, job* parent, promise_base& root) noexcept {
    start_now(home, parent, root);
    stage_ = stage::starting;
    home.schedule(*this);
}

std::coroutine_handle<> job::start_now(reactor& home, job* parent, promise_base& root) noexcept {
    home_ = &home;
    parent_ = parent;
    innermost_ = &root;
    stage_ = stage::running;
    if (parent && parent->cancel_requested_) cancel_requested_ = true;
    return root.self_;
}

void job::request_cancel() noexcept {
    if (cancel_requested_ || stage_ == stage::ended) return;
    cancel_requested_ = true;
    if (waiter_) waiter_->cancel();
}

void job::run() noexcept {
    switch (stage_) {
        case stage::starting:
            if (cancel_requested_) {  // it has not begun, and never will
                unwind();
            } else {
                stage_ = stage::running;
                innermost_->self_.resume();
            }
            break;
        case stage::unwinding: unwind(); break;
        case stage::ended: reap(); break;
        case stage::idle:
        case stage::running: std::abort();
    }
}

void job::schedule_unwind() noexcept {
    waiter_ = nullptr;
    stage_ = stage::unwinding;
    home_->schedule(*this);
}

// From the innermost frame outwards, one by one: a chain of any length goes in bounded stack, and the
// destructors run in the order in which an exception would run them.
void job::unwind() noexcept {
    promise_base* frame = std::exchange(innermost_, nullptr);
    while (frame) {
        promise_base* outer = frame->parent_;
        *frame->handle_ = nullptr;
        frame->self_.destroy();
        frame = outer;
    }
    stage_ = stage::ended;
    outcome_ = outcome::cancelled;
    finished().resume();
}

void job::describe(std::string& out) const { out += "task"; }

void job::adopt_trace(job& child) noexcept {
    if (!child.trace_) return;
    delete trace_;
    trace_ = std::exchange(child.trace_, nullptr);
}

// waiter

void waiter::confirm_cancel() noexcept { promise_->job_->schedule_unwind(); }

void waiter::run() noexcept { promise_->self_.resume(); }

void waiter::describe(std::string& out) const { out += "something"; }

void waiter::visit_jobs(void (*visit)(const job&, void*), void* context) const {
    (void)visit;
    (void)context;
}

// promises

std::coroutine_handle<> final_awaiter::end_of_root(promise_base& p) noexcept {
    job& j = *p.job_;
    j.stage_ = job::stage::ended;
    j.outcome_ = p.error_ ? outcome::error : outcome::value;
    j.innermost_ = nullptr;
    return j.finished();
}

// The chain above is still whole: each coroutine there stands at the await that this error is about to leave.
void promise_base::unhandled_exception() noexcept {
    error_ = std::current_exception();
    if (!job_) return;
    if (job_->trace_ && job_->trace_->error == error_) return;
    try {
        auto* trace = job_->trace_ ? job_->trace_ : (job_->trace_ = new error_trace);
        trace->error = error_;
        trace->lines.clear();
        for (const promise_base* frame = this; frame;) {
            trace->lines.push_back(frame->where_);
            if (frame->parent_) {
                frame = frame->parent_;
            } else {
                const job* above = frame->job_->parent_;
                frame = above ? above->innermost_ : nullptr;
            }
            if (trace->lines.size() == 64) break;
        }
    } catch (...) {  // out of memory: the error travels without its trace
        delete std::exchange(job_->trace_, nullptr);
    }
}

}  // namespace bight::detail
