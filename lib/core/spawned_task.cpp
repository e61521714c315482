#include <bight/core/spawned_task.hpp>

#include <bight/core/group.hpp>

#include <stdexcept>

namespace bight {

void spawned_task::cancel() noexcept {
    if (job_) scope_->cancel_one(*job_);
}

void spawned_task::take(spawned_task& other) noexcept {
    scope_ = other.scope_;
    job_ = std::exchange(other.job_, nullptr);
    if (job_) job_->handle_ = this;
    while (detail::spawned_task_awaiter* const w = other.waiters_.pop_front()) {
        w->of_ = this;
        waiters_.push_back(*w);
    }
}

void spawned_task::job_gone() noexcept {
    job_ = nullptr;
    while (detail::spawned_task_awaiter* const w = waiters_.pop_front()) w->ready();
}

namespace detail {

bool spawned_task_awaiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (of_->ended()) return finish_now();
    for (const job* above = &owner(); above && !for_itself_; above = above->parent()) {
        for_itself_ = above == of_->job_;
    }
    if (for_itself_) return finish_now();
    of_->waiters_.push_back(*this);
    return true;
}

void spawned_task_awaiter::cancel() noexcept {
    of_->waiters_.remove(*this);
    confirm_cancel();
}

void spawned_task_awaiter::throw_for_itself() {
    throw std::logic_error("spawned_task::wait: the task would wait for its own end");
}

}  // namespace detail
}  // namespace bight
