#include <bight/core/block_on.hpp>

#include "blocked_calls.hpp"
#include "patience.hpp"
#include "reactor_state.hpp"

#include <bight/core/error.hpp>

#include <system_error>

namespace bight::detail {

namespace {

std::exception_ptr stopped() noexcept {
    return error_from(errc::closed, "block_on: the reactor stopped before this could run");
}

}  // namespace

// blocked_calls

bool blocked_calls::add(blocked_call& call) noexcept {
    const std::lock_guard hold(lock_);
    if (ended_) return false;
    call.next_ = first_;
    if (first_) first_->previous_ = &call;
    first_ = &call;
    ++sending_;
    return true;
}

void blocked_calls::sent() noexcept {
    const std::lock_guard hold(lock_);
    --sending_;
}

void blocked_calls::begin() noexcept {
    const std::lock_guard hold(lock_);
    ended_ = false;
}

// Cancelled without the lock: what goes by that may be anybody's code, and wait for a thread that calls add.
// Only this thread takes calls out of the list, and those that come now come in front.
bool blocked_calls::end() noexcept {
    blocked_call* first = nullptr;
    {
        const std::lock_guard hold(lock_);
        ended_ = true;
        first = first_;
    }
    for (blocked_call* c = first; c; c = c->next_) {
        if (c->started_) c->request_cancel();
    }
    return first != nullptr;
}

bool blocked_calls::ended() const noexcept {
    const std::lock_guard hold(lock_);
    return ended_;
}

bool blocked_calls::empty() const noexcept {
    const std::lock_guard hold(lock_);
    return first_ == nullptr;
}

void blocked_calls::remove(blocked_call& call) noexcept {
    const std::lock_guard hold(lock_);
    (call.previous_ ? call.previous_->next_ : first_) = call.next_;
    if (call.next_) call.next_->previous_ = call.previous_;
}

void blocked_calls::await_senders() const noexcept {
    for (patience wait;; wait.a_moment()) {
        const std::lock_guard hold(lock_);
        if (sending_ == 0) return;
    }
}

// The inbox has given back what it held. What is left had begun on a reactor that could not bring it to its
// end.
blocked_calls::~blocked_calls() {
    while (blocked_call* const call = first_) {
        first_ = call->next_;
        if (first_) first_->previous_ = nullptr;
        call->error_ = stopped();
        call->parker_.unpark();
    }
}

// blocked_call

void blocked_call::run_on(reactor& home) {
    refuse_on_reactor("block_on", home.in_this_thread()
                                      ? "it is the reactor's own, which would wait for itself: "
                                        "co_await the task instead"
                                      : "send to the other one through a cross_channel");
    if (reactor_state::in_forked_child(home)) {
        throw std::system_error(errc::closed,
                                "block_on: the reactor runs in the process that this one was forked from");
    }
    blocked_calls& all = reactor_state::blocked(home);
    if (reactor_state::rests_here(home) && !all.ended()) {
        throw std::system_error(errc::wrong_thread,
                                "block_on would wait for a reactor to which this very thread gives its turns "
                                "(run_once): start the task with reactor::start");
    }
    reactor_ = &home;
    if (!all.add(*this)) std::rethrow_exception(stopped());
    send(home);
    all.sent();
    parker_.park();
    if (error_) std::rethrow_exception(error_);
    if (result() == outcome::cancelled) throw run_cancelled{};
}

void blocked_call::arrived() noexcept {
    over_ = true;
    try {
        if (reactor_state::blocked(*reactor_).ended()) {
            error_ = stopped();
        } else if (promise_base* const root = begin()) {
            over_ = false;
            reactor_state::start_root(*reactor_, *this, *root);
            started_ = true;
        }
    } catch (...) {
        over_ = true;
        error_ = std::current_exception();
    }
}

void blocked_call::released(bool arrived) noexcept {
    if (!arrived) error_ = stopped();
    if (over_ || !arrived) let_go();
}

// The frame is freed, or taken by the other thread, when it is no longer the one that calls.
std::coroutine_handle<> blocked_call::finished() noexcept {
    home().schedule(*this);
    return std::noop_coroutine();
}

void blocked_call::reap() noexcept {
    reactor_state::remove_root(*reactor_, *this);
    started_ = false;
    if (result() != outcome::cancelled) {
        try {
            settle();
        } catch (...) {
            error_ = std::current_exception();
        }
    }
    let_go();
}

// The last touch: the stack that this is on unwinds.
void blocked_call::let_go() noexcept {
    reactor_state::blocked(*reactor_).remove(*this);
    parker_.unpark();
}

}  // namespace bight::detail
