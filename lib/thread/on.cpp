#include <bight/thread/on.hpp>

#include "../core/reactor_state.hpp"
#include "../core/spin_wait.hpp"

#include <bight/core/error.hpp>

#include <system_error>

namespace bight::detail {

// on_waiter: on the thread of the task that waits.

bool on_waiter::call(promise_base& p, distant_task& callee) noexcept {
    if (!begin(p)) return true;
    callee_ = &callee;
    callee.caller_ = this;
    callee.called_at_ = p.where();
    if (there_ != &home()) outside_.emplace(home());
    if (callee.submit(*there_, *ticket_)) return true;
    outside_.reset();
    return finish_now();
}

// A call that has not begun is given up at once, however long the other reactor is busy, or not run: nothing
// of that reactor may be touched then, which can be gone.
void on_waiter::cancel() noexcept {
    if (!ticket_->give_up()) {
        callee_->ask_to_cancel(*there_);
        return;
    }
    (void)ticket_.release();
    outside_.reset();
    confirm_cancel();
}

// A call that has no result because this task is cancelled is no error.
void on_waiter::answered() noexcept {
    outside_.reset();
    owner().adopt_trace(*callee_);
    const bool done = callee_->has_begun() && callee_->result() != outcome::cancelled;
    if (!done && owner().cancel_requested()) {
        confirm_cancel();
    } else {
        ready();
    }
}

// Sends to the other reactor only while that waits for it: `ended` has not been set, and before it is, the
// other reactor sees `asking`, and waits until this is sent.
void distant_task::ask_to_cancel(reactor& there) noexcept {
    if (state_.fetch_or(asking, std::memory_order_acq_rel) & ended) return;
    cancel_.send(there);
    state_.fetch_or(asked, std::memory_order_release);
}

void distant_task::answer_call::released(bool arrived) noexcept {
    if (arrived) of_.caller_->answered();
}

// distant_task: on the thread of the reactor that is called.

distant_task::distant_task() noexcept
    : distant_call("bight::on: the other reactor has stopped, so the call did not begin") {}

void distant_task::cancel_call::released(bool) noexcept {
    of_.cancel_came_ = true;
    if (of_.state_.load(std::memory_order_acquire) & ended) {
        of_.let_go();
    } else {
        of_.cancel_begun();
    }
}

bool distant_task::may_let_go() noexcept {
    const unsigned char before = state_.fetch_or(ended, std::memory_order_acq_rel);
    if (cancel_came_ || !(before & asking)) return true;
    for (spin_wait wait; !(state_.load(std::memory_order_acquire) & asked); wait.a_moment()) continue;
    return false;  // the cancel_call is in the inbox
}

void distant_task::answered() noexcept { answer_.send(caller_->home()); }

void distant_task::describe(std::string& out) const {
    out += "a call by bight::on in " + describe_location(called_at_);
}

void distant_task::check_result() const {
    if (error()) std::rethrow_exception(error());
    if (result() == outcome::cancelled) {
        throw std::system_error(std::make_error_code(std::errc::operation_canceled),
                                "bight::on: the other reactor stopped while the call ran there");
    }
}

}  // namespace bight::detail
