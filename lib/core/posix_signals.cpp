// Signals of POSIX.
#include "handled_signals.hpp"

#include <signal.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <span>
#include <thread>
#include <utility>

namespace bight::detail {

namespace {

constexpr std::array posix_stop_signals{SIGINT, SIGTERM};

// What was there before bight's handler.
struct former_action {
    struct sigaction before{};  // written only while bight's is not installed
    // What was there before, when bight's was installed again above one that may call it.
    struct sigaction under{};
    std::atomic<bool> below_another{false};  // bight's is not the present one, which may call it
    bool is_above_another = false;  // bight's is the present one, and that which it calls may call bight's
};

constinit std::array<former_action, most_signals + 1> former_actions{};
constinit std::atomic<int> readers_of_actions{0};

// How often a handler of a number has come to itself through the one that was there before.
struct calls_of_former {
    volatile std::sig_atomic_t number = 0;
    volatile std::sig_atomic_t depth = 0;
};
#if defined(__linux__)
[[gnu::tls_model("initial-exec")]]  // a handler must not make the variables of its thread
#endif
constinit thread_local calls_of_former calling_former{};

former_action& former_of(int number) noexcept { return former_actions[static_cast<std::size_t>(number)]; }

bool is_function_of_program(const struct sigaction& action) noexcept {
    return (action.sa_flags & SA_SIGINFO) != 0 ||
           (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
}
bool is_default_action(const struct sigaction& action) noexcept {
    return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

struct sigaction action_now(int number) noexcept {
    struct sigaction now{};
    ::sigaction(number, nullptr, &now);
    return now;
}

// The process that has sent it; 0 when that is not one, or is not known.
int sender_of(const siginfo_t& info) noexcept {
    bool by_process = info.si_code == SI_USER || info.si_code == SI_QUEUE;
#if defined(SI_TKILL)
    by_process = by_process || info.si_code == SI_TKILL;
#endif
#if defined(SI_LWP)
    by_process = by_process || info.si_code == SI_LWP;
#endif
    return by_process ? info.si_pid : 0;
}

void call_former(const struct sigaction& former, int called, int number, siginfo_t* info, void* context) {
    const std::sig_atomic_t outer_number = calling_former.number;
    const std::sig_atomic_t outer_depth = calling_former.depth;
    calling_former.number = number;
    calling_former.depth = called + 1;
    if ((former.sa_flags & SA_SIGINFO) != 0) {
        former.sa_sigaction(number, info, context);
    } else {
        former.sa_handler(number);
    }
    calling_former.number = outer_number;
    calling_former.depth = outer_depth;
}

void on_signal(int number, siginfo_t* info, void* context);

bool is_ours(const struct sigaction& action) noexcept {
    return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == on_signal;
}

// Nobody wants it, and it would have its default effect. Either it has come as bight left it; or somebody who
// had found bight's handler has put that back since (system(3) does so), or has called it.
void leave_late_signal(int number, const siginfo_t& info, bool is_below) noexcept {
    if (!is_ours(action_now(number))) {
        if (!is_below) ::raise(number);
    } else if (!signal_came(number, sender_of(info))) {
        leave_to_the_system(number);
    }
}

// Atomics and what is safe in a handler. One of SIGCHLD that was there before is called in any case: others
// wait for children of theirs by it.
void on_signal(int number, siginfo_t* info, void* context) {
    const int error = errno;
    const bool is_taken = signal_came(number, sender_of(*info));
    former_action& former = former_of(number);
    readers_of_actions.fetch_add(1);
    const int called = calling_former.number == number ? static_cast<int>(calling_former.depth) : 0;
    const struct sigaction next = called == 0 ? former.before : former.under;
    const bool is_below = former.below_another.load();
    readers_of_actions.fetch_sub(1);
    if (!is_taken || number == SIGCHLD) {
        if (is_function_of_program(next)) {
            if (called < 2) call_former(next, called, number, info, context);
        } else if (!is_taken && called == 0 && is_default_action(next)) {
            leave_late_signal(number, *info, is_below);
        }
    }
    errno = error;
}

// One on another thread is not interrupted for long; on this thread it is over.
void await_readers_of_actions() noexcept {
    while (readers_of_actions.load() > 0) std::this_thread::yield();
}

}  // namespace

std::span<const int> stop_signals() noexcept { return posix_stop_signals; }
int dump_signal() noexcept { return SIGUSR1; }

signal_refusal refusal_of_signal(int number) noexcept {
    switch (number) {
        case SIGKILL:
        case SIGSTOP: return {"cannot be handled by any program"};
        case SIGSEGV:
        case SIGBUS:
        case SIGFPE:
        case SIGILL:
        case SIGTRAP:
        case SIGSYS:
        case SIGABRT:
            return {"comes of what the program itself does at that moment, and no task can answer it"};
        default: break;
    }
    sigset_t set;
    sigemptyset(&set);
    if (number < 1 || number > most_signals || sigaddset(&set, number) != 0) return {"is not a signal here"};
    return {};
}

int install_signal(int number, bool& was_handled) noexcept {
    struct sigaction now{};
    if (::sigaction(number, nullptr, &now) != 0) return errno;
    former_action& former = former_of(number);
    was_handled = is_ours(now);
    if (was_handled) {
        former.below_another.store(false);
        return 0;
    }
    await_readers_of_actions();
    former.is_above_another = former.below_another.load();
    if (former.is_above_another) former.under = former.before;
    former.before = now;
    struct sigaction ours = now;  // what it says of stops, restarts, stacks and masks stays
    if (!is_function_of_program(now)) {
        sigemptyset(&ours.sa_mask);
        ours.sa_flags = SA_RESTART | SA_ONSTACK | (now.sa_flags & SA_NOCLDWAIT);
        // Who ignores it has its children reaped by the kernel.
        if (number == SIGCHLD && !is_default_action(now)) ours.sa_flags |= SA_NOCLDWAIT;
    }
    ours.sa_sigaction = on_signal;
    ours.sa_flags |= SA_SIGINFO;
    ours.sa_flags &= ~static_cast<int>(SA_RESETHAND);
    if (::sigaction(number, &ours, nullptr) != 0) return errno;
    former.below_another.store(false);
    return 0;
}

// Another handler that was installed since may call bight's: then bight's stays.
void uninstall_signal(int number) noexcept {
    former_action& former = former_of(number);
    const bool is_below = !is_ours(action_now(number));
    former.below_another.store(is_below);
    if (is_below) return;
    ::sigaction(number, &former.before, nullptr);
    if (!std::exchange(former.is_above_another, false)) return;
    former.below_another.store(true);
    await_readers_of_actions();
    former.before = former.under;
}

bool is_default_signal(int number) noexcept {
    const struct sigaction now = action_now(number);
    return is_default_action(is_ours(now) ? former_of(number).before : now);
}

bool unblock_signal(int number) noexcept {
    sigset_t only;
    sigset_t before;
    sigemptyset(&only);
    sigaddset(&only, number);
    ::pthread_sigmask(SIG_UNBLOCK, &only, &before);
    return sigismember(&before, number) == 1;
}

void block_signal(int number) noexcept {
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, number);
    ::pthread_sigmask(SIG_BLOCK, &only, nullptr);
}

void leave_to_the_system(int signal) noexcept {
    ::signal(signal, SIG_DFL);
    ::raise(signal);  // delivered when the handler has returned
}

}  // namespace bight::detail
