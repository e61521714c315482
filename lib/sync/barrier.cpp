#include <bight/sync/barrier.hpp>

#include <stdexcept>

namespace bight::detail {

barrier_base::barrier_base(std::size_t participants) : expected_(participants) {
    if (participants == 0) throw std::invalid_argument("a barrier for no tasks");
}

barrier_base::~barrier_base() { waiters_.check_empty("a barrier"); }

std::exception_ptr barrier_base::end_phase() noexcept {
    std::exception_ptr error;
    try {
        complete();
    } catch (...) {
        error = std::current_exception();
    }
    waiting_ = 0;
    while (barrier_awaiter* const w = waiters_.pop_front()) w->ready();
    return error;
}

void barrier_base::arrive_and_drop() {
    home_.check("a barrier");
    if (expected_ == 0) throw std::logic_error("a task left a barrier in which no task takes part any more");
    --expected_;
    if (waiting_ < expected_) return;
    if (const std::exception_ptr error = end_phase()) std::rethrow_exception(error);
}

bool barrier_awaiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    at_->home_.check(home(), "a barrier");
    if (at_->expected_ == 0) {
        try {
            throw std::logic_error("a task arrived at a barrier in which no task takes part any more");
        } catch (...) {
            error_ = std::current_exception();
        }
        return finish_now();
    }
    if (at_->waiting_ + 1 < at_->expected_) {
        ++at_->waiting_;
        at_->waiters_.push_back(*this);
        listed_ = true;
        return true;
    }
    last_ = true;
    error_ = at_->end_phase();
    return finish_now();
}

// The last task to arrive may be cancelled by the completion that it calls; it has arrived all the same.
void barrier_awaiter::cancel() noexcept {
    if (!listed_) return;
    --at_->waiting_;
    at_->waiters_.remove(*this);
    confirm_cancel();
}

void barrier_awaiter::describe(std::string& out) const {
    out += "a barrier (" + std::to_string(at_->waiting()) + " of " + std::to_string(at_->participants()) +
           " have arrived)";
}

}  // namespace bight::detail
