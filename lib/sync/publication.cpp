#include <bight/sync/detail/publication.hpp>

#include <bight/sync/broadcast_channel.hpp>
#include <bight/sync/detail/channel_base.hpp>
#include <bight/sync/watch.hpp>

#include <stdexcept>

namespace bight::detail {

void publication::fail_closed(const char* name) { throw_closed(name); }

void throw_changing() {
    throw std::system_error(errc::busy, "a watch was set from within a change of its value");
}

void publication::wake_all() noexcept {
    while (subscription_waiter* w = waiters_.pop_front()) w->ready();
}

void receiver_is_empty() noexcept { abort_misused("a receiver was used that is empty: it was moved from"); }

void subscriber::check_unused() const noexcept {
    if (waiting_) waiting_->abort_destroyed("a receiver, or the place that it was moved from,");
}

bool subscription_waiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (!by_->of_) [[unlikely]]
        abort_misused("a receiver was awaited that is empty: it was moved from");
    publication& of = *by_->of_;
    of.home_.check(home(), of.name_);
    if (by_->waiting_) return finish_now();
    by_->waiting_ = this;
    if (by_->behind() || of.closed_) return finish_now();
    of.waiters_.push_back(*this);
    return true;
}

void subscription_waiter::cancel() noexcept {
    by_->of_->waiters_.remove(*this);
    by_->waiting_ = nullptr;
    confirm_cancel();
}

void subscription_waiter::describe(std::string& out) const {
    out += "news from ";
    out += by_->of_->name_;
}

std::size_t checked_ring_capacity(std::size_t capacity) {
    if (capacity < 1 || capacity > std::size_t{1} << 31) {
        throw std::invalid_argument("the capacity of a broadcast channel is from 1 to 2^31");
    }
    return capacity;
}

std::error_code subscription_waiter::finish() noexcept {
    if (by_->waiting_ != this) return errc::busy;
    by_->waiting_ = nullptr;
    return by_->behind() ? std::error_code{} : make_error_code(errc::closed);
}

}  // namespace bight::detail
