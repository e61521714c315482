#include <bight/core/detail/job.hpp>

#include "job_notes.hpp"
#include "thread_state.hpp"

#include <bight/core/detail/promise.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/reactor.hpp>

#include <cstdlib>
#include <string>
#include <utility>

namespace bight::detail {

void job::drop_notes() noexcept { delete std::exchange(notes_, nullptr); }

void job::attach(reactor& home, job* parent, promise_base& root) noexcept {
    home_ = &home;
    parent_ = parent;
    innermost_ = &root;
    since_ = detail::reactor_access::tick(home);
    started_ = (since_ / detail::reactor_access::ticks_per_second) & 0xffffff;
    detail::reactor_access::count_task(home, 1);
    if (parent && parent->cancel_requested_) cancel_requested_ = true;
}

void job::start(reactor& home, job* parent, promise_base& root) noexcept {
    attach(home, parent, root);
    stage_ = stage::starting;
    detail::reactor_access::schedule(home, *this);
}

std::coroutine_handle<> job::start_now(reactor& home, job* parent, promise_base& root) noexcept {
    attach(home, parent, root);
    stage_ = stage::running;
    enter(root.where_);
    return root.self();
}

// A scope passes its cancellation on to its children, and these to theirs. The last child of a scope is
// cancelled only after the scope's own cancel() has returned, so that scopes nested to any depth are
// cancelled in bounded stack.
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

// Cancels the waiter of `first`, then those of the jobs that were postponed meanwhile.
void job::cancel_waiters(job* first) noexcept {
    for (job* j = first; j; j = std::exchange(this_thread().cancelling.last, nullptr)) {
        if (j->waiter_) j->waiter_->cancel();
    }
}

// In the order in which most jobs of a server, which end by themselves, come here.
void job::run() noexcept {
    if (stage_ == stage::starting && !cancel_requested_) {
        stage_ = stage::running;
        enter(innermost_->where_);
        innermost_->self().resume();
    } else if (stage_ == stage::ended) {
        home_->running_job_ = nullptr;
        reap();
    } else if (stage_ == stage::unwinding ||
               stage_ == stage::starting) {  // that one was cancelled before it began
        unwind();
    } else {
        std::abort();
    }
}

void job::schedule_unwind() noexcept {
    waiter_ = nullptr;
    stage_ = stage::unwinding;
    detail::reactor_access::schedule(*home_, *this);
}

// Destroys the frames one by one from the innermost outwards: this needs only bounded stack for a chain of
// any length, and destructors run in the same order as for an exception.
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
    detail::reactor_access::count_task(*home_, -1);
}

bool job::running() const noexcept {
    return home_ && detail::reactor_access::running_job(*home_) == this && stage_ == stage::running;
}

void job::describe(std::string& out) const { out += "task"; }

void job::describe_with_name(std::string& out) const {
    describe(out);
    if (notes_ && !notes_->name.empty()) out += " \"" + notes_->name + "\"";
}

void job::set_name(std::string name) {
    if (!notes_) notes_ = new job_notes;
    notes_->name = std::move(name);
}

const void* job::find_local(const void* key) const noexcept {
    (void)key;
    return nullptr;
}

// The child keeps its name, and its parent its own.
void job::adopt_trace(job& child) noexcept {
    if (!child.notes_ || !child.notes_->error) return;
    if (!notes_) {
        notes_ = std::exchange(child.notes_, nullptr);
        notes_->name.clear();
    } else {
        notes_->error = std::exchange(child.notes_->error, nullptr);
        notes_->trace.swap(child.notes_->trace);
    }
}

}  // namespace bight::detail
