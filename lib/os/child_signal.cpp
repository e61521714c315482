#include "child_signal.hpp"

#include "../core/reactor_state.hpp"

#include <bight/core/error.hpp>

#include <signal.h>

#include <memory>
#include <system_error>

namespace bight::detail {

void child_signal::check() {
    struct sigaction now{};
    ::sigaction(SIGCHLD, nullptr, &now);
    const bool ignored = (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_IGN;
    if (ignored || (now.sa_flags & SA_NOCLDWAIT) != 0) {
        throw std::system_error(
            errc::unavailable,
            "process: without pidfds (Linux 5.4) the program must not ignore SIGCHLD, nor "
            "say SA_NOCLDWAIT: the kernel would reap its children");
    }
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    if (sigismember(&blocked, SIGCHLD) == 1) {
        throw std::system_error(
            errc::unavailable,
            "process: without pidfds (Linux 5.4) the thread of the reactor must not block "
            "SIGCHLD: no end would be noticed");
    }
}

child_signal& child_signal::of(reactor& home) {
    check();
    for (alert_listener& l : reactor_state::listeners_of(home)) {
        if (auto* const found = dynamic_cast<child_signal*>(&l)) return *found;
    }
    std::unique_ptr<child_signal> made(new child_signal(home));
    made->came_.begin();
    reactor_state::listen_for_alerts(home, *made);
    return *made.release();
}

child_signal::child_signal(reactor& home) noexcept : home_(home), came_(home, SIGCHLD) {}

void child_signal::add(child_process& c) noexcept { children_.push_front(c); }

void child_signal::remove(child_process& c) noexcept {
    children_.remove(c);
    if (children_.empty() && !looking_) end();
}

// What was noted is taken first: what ends after that is noted again.
void child_signal::alerted() noexcept {
    if (!came_.take()) return;
    looking_ = true;
    child_process* next = children_.front();
    while (child_process* const c = next) {
        next = children_.next(*c);
        c->look();
    }
    looking_ = false;
    if (children_.empty()) end();
}

void child_signal::end() noexcept {
    reactor_state::unlisten(home_, *this);
    delete this;
}

void child_signal::reactor_goes() noexcept {
    while (child_process* const c = children_.pop_front()) c->reactor_goes();
    delete this;
}

}  // namespace bight::detail
