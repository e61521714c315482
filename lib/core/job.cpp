#include <bight/core/detail/job.hpp>

#include "error_trace.hpp"
#include "thread_state.hpp"

#include <bight/core/detail/promise.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace bight::detail {

namespace {

void print_line(std::source_location at) noexcept {
    if (at.line() == 0) return;
    std::fprintf(stderr, "%s:%u: ", at.file_name(), static_cast<unsigned>(at.line()));
}

}  // namespace

void misused_task(std::source_location where) noexcept {
    std::fputs("bight: ", stderr);
    print_line(where);
    std::fputs(
        "a task was awaited or started that is empty: it was awaited before, or moved from\n"
        "bight: a task runs once; call the coroutine again for another run\n",
        stderr);
    std::abort();
}

// job

job::~job() { delete trace_; }

void job::attach(reactor& home, job* parent, promise_base& root) noexcept {
    home_ = &home;
    parent_ = parent;
    innermost_ = &root;
    since_ = home.tick();
    started_ = (since_ / reactor::ticks_per_second) & 0xffffff;
    home.count_task(1);
    if (parent && parent->cancel_requested_) cancel_requested_ = true;
}

void job::start(reactor& home, job* parent, promise_base& root) noexcept {
    attach(home, parent, root);
    stage_ = stage::starting;
    home.schedule(*this);
}

std::coroutine_handle<> job::start_now(reactor& home, job* parent, promise_base& root) noexcept {
    attach(home, parent, root);
    stage_ = stage::running;
    enter(root.where_);
    return root.self();
}

// A scope hands its cancellation on to its children, and these to theirs. The last child of a scope waits
// until the scope's own cancel() has returned, so that scopes nested to any depth are cancelled in bounded
// stack.
void job::request_cancel() noexcept {
    if (cancel_requested_ || stage_ == stage::ended) return;
    cancel_requested_ = true;
    if (!waiter_) return;
    thread_state::cancellation& now = this_thread().cancelling;
    if (now.under_way) {
        cancel_waiters(std::exchange(now.last, nullptr));
        now.last = this;
    } else {
        now.under_way = true;
        cancel_waiters(this);
        now.under_way = false;
    }
}

// Of `first`, and of those that this leaves for later.
void job::cancel_waiters(job* first) noexcept {
    for (job* j = first; j; j = std::exchange(this_thread().cancelling.last, nullptr)) {
        if (j->waiter_) j->waiter_->cancel();
    }
}

void job::run() noexcept {
    switch (stage_) {
        case stage::starting:
            if (cancel_requested_) {  // it has not begun, and never will
                unwind();
            } else {
                stage_ = stage::running;
                enter(innermost_->where_);
                innermost_->self().resume();
            }
            break;
        case stage::unwinding: unwind(); break;
        case stage::ended:
            home_->running_job_ = nullptr;
            reap();
            break;
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
    enter(frame->where_);
    while (frame) {
        promise_base* outer = frame->parent_;
        *frame->handle_ = nullptr;
        frame->self().destroy();
        frame = outer;
    }
    end(outcome::cancelled);
    finished().resume();
}

void job::end(outcome how) noexcept {
    stage_ = stage::ended;
    outcome_ = how;
    home_->count_task(-1);
}

bool job::running() const noexcept {
    return home_ && home_->running_job() == this && stage_ == stage::running;
}

void job::describe(std::string& out) const { out += "task"; }

const void* job::find_local(const void* key) const noexcept {
    (void)key;
    return nullptr;
}

void job::adopt_trace(job& child) noexcept {
    if (!child.trace_) return;
    delete trace_;
    trace_ = std::exchange(child.trace_, nullptr);
}

// waiter

void waiter::confirm_cancel() noexcept { promise_->job_->schedule_unwind(); }

void waiter::run() noexcept {
    owner().enter(promise_->where_);
    promise_->self().resume();
}

void waiter::describe(std::string& out) const { out += "something"; }

void waiter::visit_jobs(void (*visit)(const job&, void*), void* context) const {
    (void)visit;
    (void)context;
}

// promises

std::coroutine_handle<> final_awaiter::end_of_root(promise_base& p) noexcept {
    job& j = *p.job_;
    j.innermost_ = nullptr;
    j.end(p.error_ ? outcome::error : outcome::value);
    return j.finished();
}

// What a task refers to is gone, or goes at this suspension, when it lies on this thread's stack below the
// loop that resumes coroutines: nothing there outlives a suspension but the frames of functions that are not
// coroutines and are being called, and those do not await. What the awaiting coroutine keeps lies in its
// frame.
//
// This much below the top of the stack is searched for objects of functions that have returned.
constexpr std::uintptr_t returned = std::uintptr_t{16} * 1024;
// The stack between here and the loop is not longer.
constexpr std::uintptr_t longest_stack = std::uintptr_t{8} * 1024 * 1024;

void promise_base::check_borrowed(std::source_location awaited) const noexcept {
    const auto lowest = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) - returned;
    const auto lender = reinterpret_cast<std::uintptr_t>(lender_);
    if (lender - lowest > longest_stack) return;
    const auto loop = reinterpret_cast<std::uintptr_t>(this_thread().loop);
    if (loop < lowest || lender >= loop) return;
    std::fputs("bight: ", stderr);
    print_line(awaited);
    std::fputs(
        "a task was started that refers to an object which is gone: its lambda, or what a parameter refers "
        "to\n",
        stderr);
    explain_borrowed();
}

void promise_base::report_borrowed(const char* scope, std::source_location where) const noexcept {
    std::fputs("bight: ", stderr);
    print_line(where);
    std::fprintf(stderr, "%s was given a task that %s, which may be gone when the task runs\n", scope,
                 borrowed_ == loan::callable ? "is the body of a lambda with captures"
                                         : "has a parameter by const or rvalue reference");
    explain_borrowed();
}

void promise_base::explain_borrowed() const noexcept {
    std::fputs("bight: ", stderr);
    print_line(where_);
    std::fputs("this is where the task begins\n", stderr);
    if (borrowed_ != loan::reference) {
        std::fputs(
            "bight: give a scope the lambda itself, not its task: spawn(lambda, arguments...) stores it; or "
            "await "
            "the task in the full expression that makes it\n",
            stderr);
    }
    if (borrowed_ != loan::callable) {
        std::fputs(
            "bight: give a scope the function and its arguments, not its task: spawn(f, arguments...) stores "
            "them "
            "(std::cref(x) for what lives longer); or take the parameter by value\n",
            stderr);
    }
    std::abort();
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

void promise_base::ran_off_its_end() noexcept {
    try {
        throw std::logic_error(
            describe_location(where_) +
            ", where it last was, ran off its end without a co_return: it has no value to give");
    } catch (...) {
        unhandled_exception();
    }
}

}  // namespace bight::detail
