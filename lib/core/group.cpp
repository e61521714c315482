#include <bight/core/group.hpp>

#include "reactor_state.hpp"

#include <bight/core/detail/wait_list.hpp>

namespace bight {

namespace detail {

group& group_job::owner() const noexcept { return static_cast<group&>(*parent()->waiting()); }

std::coroutine_handle<> group_job::finished() noexcept {
    owner().jobs_.one_over();
    return reap_later();
}

void group_job::reap() noexcept { owner().ended(*this); }

void group_job::tell_handle() noexcept { handle_->job_gone(); }

}  // namespace detail

void group::check_not_elsewhere() const noexcept {
    if (!detail::reactor_state::runs(home()) || home().in_this_thread()) return;
    detail::abort_misused(
        "group::spawn was called on another thread than that of the group's reactor: from a task await a "
        "call "
        "there with bight::on(reactor, f), from a plain thread use reactor::post, or send to a task there "
        "through a concurrent_channel");
}

// Within its callers: every spawn passes here.
[[gnu::always_inline]] inline void group::begin_job(detail::group_job& job) noexcept {
    detail::promise_base& root = jobs_.add(job);
    job.start(home(), &owner(), root);
    if (cancelled_) job.request_cancel();
}

void group::start(detail::group_job& job, task<>&& t, std::source_location where) noexcept {
    if (!job.give(std::move(t))) detail::misused_task(where);
    if (limit_ != 0 && jobs_.size() >= limit_ && !cancelled_) [[unlikely]] {
        unbegun_.push_back(job);
    } else {
        begin_job(job);
    }
}

std::coroutine_handle<> group::body_started(task<>&& body) noexcept {
    body_running_ = true;
    body_.give(std::move(body));
    return body_.launch_now(*this, home(), owner());
}

void group::cancel() noexcept {
    if (std::exchange(cancelled_, true)) return;
    if (body_running_) body_.request_cancel();
    for (detail::group_job& job : jobs_) job.request_cancel();
    while (detail::group_job* const job = unbegun_.pop_front()) begin_job(*job);
}

void group::cancel_one(detail::group_job& job) noexcept {
    if (!job.parent()) {  // it has not begun
        unbegun_.remove(job);
        begin_job(job);
    }
    job.request_cancel();
}

void group::failed(detail::job& job, const std::exception_ptr& error) noexcept {
    if (!errors_.add(error)) detail::report_job_error(job, error);  // out of memory: report it instead
    owner().adopt_trace(job);
    cancel();
}

void group::begin_next() noexcept {
    if (jobs_.size() < limit_) begin_job(*unbegun_.pop_front());
}

// Called from the ready queue.
void group::ended(detail::group_job& job) noexcept {
    if (job.result() == detail::outcome::error) failed(job, job.task_.promise().error());
    if (job.result() == detail::outcome::cancelled) cut_short_ = true;
    jobs_.remove(job);
    delete &job;
    if (!unbegun_.empty()) [[unlikely]]
        begin_next();
    if (jobs_.empty() && !body_running_) conclude_here(was_cut_short());
}

std::coroutine_handle<> group::child_finished(detail::job& body) noexcept {
    body_running_ = false;
    if (body.result() == detail::outcome::error) failed(body, body_.error());
    if (body.result() == detail::outcome::cancelled) cut_short_ = true;
    if (!jobs_.empty()) return std::noop_coroutine();
    return conclude(was_cut_short());
}

bool group::was_cut_short() const noexcept { return cut_short_ && errors_.empty(); }

void group::describe(std::string& out) const {
    out += "a group of " + std::to_string(jobs_.size()) + " tasks";
    if (!unbegun_.empty()) out += " (" + std::to_string(unbegun_.size()) + " more wait for the limit)";
}

void group::visit_jobs(void (*visit)(const detail::job&, void*), void* context) const {
    if (body_running_) visit(body_, context);
    jobs_.visit(visit, context);
}

}  // namespace bight
