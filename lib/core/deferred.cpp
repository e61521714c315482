#include <bight/core/deferred.hpp>

namespace bight::detail {

deferred_base::~deferred_base() {
    if (error_ && !observed_) report_error({error_, "a deferred that nobody awaited", {}});
    delete abandoned_;
}

void deferred_base::check_thread() const {
    if (home_ && reactor::current() != home_) {
        throw std::system_error(
            errc::wrong_thread,
            "a deferred is fired on its reactor's thread: from another one, use reactor::post");
    }
}

void deferred_base::throw_already_fired() { throw std::system_error(errc::already_fired); }

bool deferred_base::try_fire_error(std::exception_ptr error) noexcept {
    if (fired_) return false;
    error_ = std::move(error);
    fire();
    return true;
}

void deferred_base::fire() noexcept {
    fired_ = true;
    while (deferred_waiter* const w = waiters_.pop_front()) w->ready();
    delete std::exchange(abandoned_, nullptr);  // it may keep the producer alive
}

void deferred_base::on_abandoned(posted* callback) noexcept { delete std::exchange(abandoned_, callback); }

bool deferred_waiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    if (on_->fired_) return finish_now();
    if (!on_->home_) on_->home_ = &home();
    if (on_->home_ != &home()) {
        elsewhere_ = true;
        return finish_now();
    }
    on_->waiters_.push_back(*this);
    return true;
}

void deferred_waiter::throw_awaited_elsewhere() {
    throw std::system_error(errc::wrong_thread,
                            "a deferred is awaited by tasks of its own reactor: hand values to another one's "
                            "through a cross_channel");
}

void deferred_waiter::cancel() noexcept {
    on_->waiters_.remove(*this);
    confirm_cancel();
    if (!on_->waiters_.empty() || !on_->abandoned_) return;
    posted* const told =
        std::exchange(on_->abandoned_, nullptr);  // the callback may fire the deferred, which deletes it
    try {
        told->call();
    } catch (...) {
        report_error({std::current_exception(), "a callback given to deferred::on_abandoned", {}});
    }
    if (on_->fired_ || on_->abandoned_) {
        delete told;
    } else {
        on_->abandoned_ = told;
    }
}

}  // namespace bight::detail
