#include <bight/thread/block_on.hpp>

#include "../core/reactor_state.hpp"

#include <bight/core/error.hpp>
#include <bight/thread/detail/blocking.hpp>

#include <system_error>

namespace bight::detail {

namespace {

std::exception_ptr stopped() noexcept {
    return error_from(errc::closed, "block_on: the reactor stopped before this could run");
}

}  // namespace

void blocked_call::run_on(reactor& home) {
    refuse_on_reactor("block_on", home.in_this_thread()
                                      ? "it is the reactor's own, which would wait for itself: "
                                        "co_await the task instead"
                                      : "send to the other one through a concurrent_channel");
    if (reactor_state::in_forked_child(home)) {
        throw std::system_error(errc::closed,
                                "block_on: the reactor runs in the process that this one was forked from");
    }
    blocked_threads& all = reactor_state::threads_blocked_on(home);
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
        if (reactor_state::threads_blocked_on(*reactor_).ended()) {
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

// Queued: the frame can be freed, or taken by the other thread, only when it no longer runs.
std::coroutine_handle<> blocked_call::finished() noexcept {
    detail::reactor_access::schedule(home(), *this);
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

void blocked_call::cancel_begun() noexcept {
    if (started_) request_cancel();
}

void blocked_call::abandon() noexcept {
    error_ = stopped();
    parker_.unpark();
}

// This object must not be used after this: the stack on which it lives unwinds.
void blocked_call::let_go() noexcept {
    reactor_state::threads_blocked_on(*reactor_).remove(*this);
    parker_.unpark();
}

}  // namespace bight::detail
