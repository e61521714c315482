#include <bight/core/detail/waiter.hpp>

#include <bight/core/detail/promise.hpp>
#include <bight/core/reactor.hpp>

namespace bight::detail {

void waiter::confirm_cancel() noexcept { promise_->job_->schedule_unwind(); }

bool waiter::let_others_run(promise_base& p) noexcept {
    promise_ = &p;
    owner().innermost_ = &p;
    reactor_access::schedule(home(), *this);
    return true;
}

void waiter::run() noexcept {
    owner().enter(promise_->where_);
    promise_->self().resume();
}

void waiter::describe(std::string& out) const { out += "something"; }

void waiter::visit_jobs(void (*visit)(const job&, void*), void* context) const {
    (void)visit;
    (void)context;
}

}  // namespace bight::detail
