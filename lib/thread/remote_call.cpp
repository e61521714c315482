#include <bight/thread/detail/remote_call.hpp>

#include "../core/reactor_state.hpp"
#include "../core/spin_wait.hpp"

namespace bight::detail {

// Release: a thread that sees the flag cleared (acquire) knows that the sender has finished with the reactor
// and with this object.
void remote_call::send(reactor& to) noexcept {
    sending_.store(true, std::memory_order_relaxed);  // published by the push
    reactor_state::post(to, *::new (static_cast<void*>(&node_)) node(*this));
    sending_.store(false, std::memory_order_release);
}

// A short wait: the sender is between its push and the end of a wake-up, which is at most a write to an
// eventfd.
void remote_call::await_sender() const noexcept {
    for (spin_wait wait; sending_.load(std::memory_order_acquire); wait.a_moment()) continue;
}

void remote_call::node::call() {
    called_ = true;
    owner_.await_sender();
    owner_.arrived();
}

void remote_call::node::operator delete(node* n, std::destroying_delete_t) noexcept {
    remote_call& owner = n->owner_;
    const bool called = n->called_;
    n->~node();
    if (!called) owner.await_sender();
    owner.released(called);
}

}  // namespace bight::detail
