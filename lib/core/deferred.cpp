#include <bight/core/deferred.hpp>

#include "reactor_state.hpp"

namespace bight::detail {

deferred_base::~deferred_base() {
    if (error_ && !observed_) report_error({error_, "a deferred that nobody awaited", {}});
    delete abandoned_;
}

void deferred_base::check_thread() const {
    if (home_ && reactor::current() != home_ && !reactor_state::rests_here(*home_)) {
        throw std::system_error(
            errc::wrong_thread,
            "a deferred is fired on its reactor's thread: from a task of another one await a call there with "
            "bight::on(reactor, f), from a plain thread use reactor::post");
    }
}

void deferred_base::throw_already_fired() { throw std::system_error(errc::already_fired); }

bool deferred_base::try_fire_error(std::exception_ptr error) noexcept {
    if (fired_ || making_) return false;
    error_ = std::move(error);
    fire();
    return true;
}

void deferred_base::fire() noexcept {
    fired_ = true;
    while (deferred_waiter* const w = waiters_.pop_front()) w->ready();
    on_abandoned(nullptr);  // it may keep the producer alive
}

void deferred_base::on_abandoned(abandoned_callback* callback) noexcept {
    if (callback) callback->on_ = this;
    abandoned_callback* const before = std::exchange(abandoned_, callback);
    if (!before) return;
    if (before->queued_) {  // it is released when it runs
        before->on_ = nullptr;
    } else {
        delete before;
    }
}

// Queued rather than called: the caller is in the middle of cancelling, of a walk over tasks, say.
void deferred_base::abandoned(reactor& home) noexcept {
    if (!abandoned_ || std::exchange(abandoned_->queued_, true)) return;
    abandoned_->retain();
    detail::reactor_access::schedule(home, *abandoned_);
}

void deferred_base::tell(abandoned_callback& producer) noexcept {
    if (!waiters_.empty()) return;
    abandoned_ = nullptr;  // the callback may fire this deferred, which destroys the callback that is set
    try {
        producer.call();
    } catch (...) {
        report_error({std::current_exception(), "a callback given to deferred::on_abandoned", {}});
    }
    if (fired_ || abandoned_) {
        producer.on_ = nullptr;
    } else {
        abandoned_ = &producer;
    }
}

void abandoned_callback::run() noexcept {
    queued_ = false;
    reactor_state::leave_task(*reactor::current());
    if (on_) on_->tell(*this);
    const bool kept = on_ != nullptr;
    release();  // may destroy the deferred, and this with it
    if (!kept) delete this;
}

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
                            "a deferred is awaited by tasks of its own reactor: from another one's await a "
                            "call there with bight::on(reactor, f), or get values through a "
                            "concurrent_channel");
}

void deferred_waiter::cancel() noexcept {
    on_->waiters_.remove(*this);
    if (on_->waiters_.empty()) on_->abandoned(home());  // before the task's end, as on_abandoned promises
    confirm_cancel();
}

}  // namespace bight::detail
