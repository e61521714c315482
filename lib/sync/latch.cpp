#include <bight/sync/latch.hpp>

#include <stdexcept>

namespace bight {

latch::~latch() { waiters_.check_empty("a latch"); }

void latch::count_down(std::size_t n) {
    home_.check("a latch");
    if (!try_count_down(n)) throw_too_many();
}

bool latch::try_count_down(std::size_t n) noexcept {
    if (n > left_) return false;
    left_ -= n;
    if (left_ == 0) {
        while (detail::latch_awaiter* const w = waiters_.pop_front()) w->ready();
    }
    return true;
}

void latch::throw_too_many() { throw std::logic_error("a latch was counted down below zero"); }

namespace detail {

bool latch_awaiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    at_->home_.check(home(), "a latch");
    if (arrives_ && !at_->try_count_down(1)) too_many_ = true;
    if (at_->left_ == 0) return finish_now();
    at_->waiters_.push_back(*this);
    return true;
}

void latch_awaiter::cancel() noexcept {
    at_->waiters_.remove(*this);
    confirm_cancel();
}

void latch_awaiter::describe(std::string& out) const {
    out += "a latch (" + std::to_string(at_->pending()) + " to go)";
}

}  // namespace detail
}  // namespace bight
