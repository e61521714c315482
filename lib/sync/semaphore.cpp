#include <bight/sync/semaphore.hpp>

#include <stdexcept>

namespace bight {

semaphore::semaphore(std::size_t permits, std::size_t maximum) : available_(permits), maximum_(maximum) {
    if (permits > maximum) throw std::invalid_argument("a semaphore that begins with more than its maximum");
}

bool semaphore::try_acquire(std::size_t n) noexcept {
    home_.check("a semaphore");
    return try_take(n);
}

semaphore_guard semaphore::try_scoped_acquire(std::size_t n) noexcept {
    return try_acquire(n) ? semaphore_guard(*this, n) : semaphore_guard();
}

void semaphore::release(std::size_t n) {
    if (!try_give(n)) throw std::overflow_error("a semaphore was released beyond its maximum");
}

// For a guard: its permits are within the maximum unless the program released them twice.
void semaphore::give_back(std::size_t n) noexcept {
    if (!try_give(n)) {
        detail::abort_misused(
            "a semaphore was released beyond its maximum: the permits of a guard were released by hand too");
    }
}

bool semaphore::try_give(std::size_t n) noexcept {
    home_.check("a semaphore");
    if (n > maximum_ - available_) return false;
    available_ += n;
    admit();
    return true;
}

// Strictly from the front: when the first in the queue wants more than there is, those behind it wait too.
void semaphore::admit() noexcept {
    while (detail::semaphore_waiter* const next = waiters_.front()) {
        if (next->wanted_ > available_) return;
        available_ -= next->wanted_;
        waiters_.remove(*next);
        next->ready();
    }
}

void semaphore::check_possible(std::size_t n) const {
    if (n > maximum_) throw std::invalid_argument("more permits than the maximum of the semaphore");
}

namespace detail {

bool semaphore_waiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    semaphore_->home_.check(home(), "a semaphore");
    if (semaphore_->try_take(wanted_)) return finish_now();
    semaphore_->waiters_.push_back(*this);
    return true;
}

void semaphore_waiter::cancel() noexcept {
    semaphore_->waiters_.remove(*this);
    confirm_cancel();
    semaphore_->admit();
}

void semaphore_waiter::describe(std::string& out) const {
    out += "a semaphore";
    if (wanted_ != 1) out += " (" + std::to_string(wanted_) + " permits)";
}

}  // namespace detail
}  // namespace bight
