#include <bight/net/draining.hpp>

namespace bight {

namespace detail {

namespace {

constexpr char drain_key = 0;

}  // namespace

const void* drain_signal::find(const void* key) const noexcept { return key == &drain_key ? this : nullptr; }

drain_signal* drain_signal::of(const job* j) noexcept {
    for (; j; j = j->parent()) {
        if (const void* const found = j->find_local(&drain_key)) {
            return const_cast<drain_signal*>(static_cast<const drain_signal*>(found));
        }
    }
    return nullptr;
}

bool draining_awaiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    signal_ = drain_signal::of(&owner());
    if (signal_ && signal_->draining()) return finish_now();
    if (signal_) signal_->add(*this);
    return true;
}

void draining_awaiter::cancel() noexcept {
    if (signal_) signal_->remove(*this);
    confirm_cancel();
}

}  // namespace detail

bool is_draining() noexcept {
    const reactor* const here = reactor::current();
    const detail::drain_signal* const of =
        here ? detail::drain_signal::of(detail::reactor_access::running_job(*here)) : nullptr;
    return of && of->draining();
}

}  // namespace bight
