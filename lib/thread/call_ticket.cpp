#include <bight/thread/detail/call_ticket.hpp>

#include "../core/reactor_state.hpp"

#include <bight/thread/detail/distant_call.hpp>

namespace bight::detail {

void call_ticket::send(distant_call& of, reactor& to) noexcept {
    of_ = &of;
    home_ = &to;
    remote_call::send(to);
}

// The call is not looked at before it is known that its caller still waits.
bool call_ticket::take() noexcept {
    taken_ = decision_.decide();
    reactor_state::threads_blocked_on(*home_).came(taken_ ? of_ : nullptr);
    return taken_;
}

void call_ticket::arrived() noexcept {
    if (take()) of_->arrived();
}

// The caller, and this with it, may be gone when the call has been told.
void call_ticket::released(bool arrived) noexcept {
    if (!arrived) (void)take();
    if (!taken_) {
        delete this;
        return;
    }
    of_->released(arrived);
}

}  // namespace bight::detail
