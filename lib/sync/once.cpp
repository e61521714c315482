#include <bight/sync/once.hpp>

namespace bight::detail {

once_base::~once_base() {
    waiters_.check_empty("a once");
    if (stage_ == stage::running) abort_misused("a once was destroyed while its initialiser runs");
}

void once_turn::succeed() noexcept {
    once_base& o = *std::exchange(mine_, nullptr);
    o.stage_ = once_base::stage::done;
    while (once_awaiter* const w = o.waiters_.pop_front()) w->ready();
}

void once_turn::fail() noexcept {
    mine_->home_.check("a once");
    if (once_awaiter* const next = mine_->waiters_.pop_front()) {
        next->mine_ = true;
        next->ready();
    } else {
        mine_->stage_ = once_base::stage::idle;
    }
}

bool once_awaiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    once_->home_.check(home(), "a once");
    if (once_->stage_ == once_base::stage::running) {
        once_->waiters_.push_back(*this);
        return true;
    }
    mine_ = once_->stage_ == once_base::stage::idle;
    if (mine_) once_->stage_ = once_base::stage::running;
    return finish_now();
}

void once_awaiter::cancel() noexcept {
    once_->waiters_.remove(*this);
    confirm_cancel();
}

void once_awaiter::describe(std::string& out) const { out += "an initialisation that runs elsewhere"; }

}  // namespace bight::detail
