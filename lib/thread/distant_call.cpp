#include <bight/thread/detail/distant_call.hpp>

#include "../core/reactor_state.hpp"

#include <bight/core/error.hpp>

namespace bight::detail {

bool distant_call::submit(reactor& home, call_ticket& ticket) noexcept {
    reactor_ = &home;
    blocked_threads& all = reactor_state::threads_blocked_on(home);
    if (reactor_state::in_forked_child(home) || !all.add()) {
        error_ = error_from(errc::closed, stopped_);
        return false;
    }
    ticket.send(*this, home);
    all.sent();
    return true;
}

void distant_call::arrived() noexcept {
    over_ = true;
    try {
        if (reactor_state::threads_blocked_on(*reactor_).ended()) {
            error_ = error_from(errc::closed, stopped_);
        } else {
            begun_ = true;
            if (promise_base* const root = begin()) {
                over_ = false;
                reactor_state::start_root(*reactor_, *this, *root);
                started_ = true;
            }
        }
    } catch (...) {
        over_ = true;
        error_ = std::current_exception();
    }
}

void distant_call::released(bool arrived) noexcept {
    if (!arrived) {
        over_ = true;
        error_ = error_from(errc::closed, stopped_);
    }
    if (!over_) return;
    if (begun_) clear();
    let_go();
}

// Queued: the frame can be freed, or taken by the other thread, only when it no longer runs.
std::coroutine_handle<> distant_call::finished() noexcept {
    reactor_access::schedule(home(), *this);
    return std::noop_coroutine();
}

void distant_call::reap() noexcept {
    reactor_state::remove_root(*reactor_, *this);
    started_ = false;
    if (result() != outcome::cancelled) {
        try {
            settle();
        } catch (...) {
            error_ = std::current_exception();
        }
    }
    clear();
    let_go();
}

void distant_call::cancel_begun() noexcept {
    if (started_) request_cancel();
}

// The reactor is gone, and it let this go (no cancellation is sent any more), but a cancellation that was
// sent by then came too late for its inbox.
void distant_call::abandon() noexcept {
    error_ = error_from(errc::closed, stopped_);
    answered();
}

void distant_call::let_go() noexcept {
    if (!may_let_go()) return;
    reactor_state::threads_blocked_on(*reactor_).remove(*this);
    answered();
}

}  // namespace bight::detail
