// Signals of Windows: those of the C library (raise, Ctrl-C, Ctrl-Break), and those events of the console
// that end the process.
#include "handled_signals.hpp"

#include <windows.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <span>

namespace bight::detail {

namespace {

constexpr std::array windows_stop_signals{SIGINT, SIGTERM, SIGBREAK};

struct former_handler {
    signal_function before = SIG_DFL;
    std::atomic<bool> is_installed{false};  // unless the program has set another one since
};
constinit std::array<former_handler, most_signals + 1> former_handlers{};

former_handler& former_of(int number) noexcept { return former_handlers[static_cast<std::size_t>(number)]; }

// The C library has put the default effect back before it calls this.
void on_signal(int number) {
    if (former_of(number).is_installed.load()) std::signal(number, on_signal);
    // It has come as bight left it: as a moment later.
    if (!signal_came(number, 0) && !former_of(number).is_installed.load()) std::raise(number);
}

// Of the events that end the process as soon as this has returned, and in any case some seconds later: until
// then the program may end by itself. On a thread of the system's.
BOOL WINAPI on_console_event(DWORD event) {
    if (event != CTRL_CLOSE_EVENT && event != CTRL_LOGOFF_EVENT && event != CTRL_SHUTDOWN_EVENT) return FALSE;
    if (!signal_came(SIGTERM, 0)) return FALSE;
    ::Sleep(INFINITE);
    return TRUE;
}

// The C library tells it to none but those who set another.
signal_function handler_now(int number) noexcept {
    const signal_function now = std::signal(number, SIG_DFL);
    if (now != SIG_ERR) std::signal(number, now);
    return now;
}

}  // namespace

std::span<const int> stop_signals() noexcept { return windows_stop_signals; }
int dump_signal() noexcept { return 0; }

signal_refusal refusal_of_signal(int number) noexcept {
    switch (number) {
        case SIGINT:
        case SIGTERM:
        case SIGBREAK: return {};
        case SIGSEGV:
        case SIGFPE:
        case SIGILL:
        case SIGABRT:
            return {"comes of what the program itself does at that moment, and no task can answer it"};
        default: break;
    }
    if (number < 1 || number > most_signals) return {"is not a signal here"};
    return {"is no signal of Windows, which has SIGINT, SIGBREAK and SIGTERM", true};
}

// The C library's own handler of console events comes with the first of its signals. The one that was added
// last is called first.
int install_signal(int number, bool& was_handled) noexcept {
    const signal_function before = std::signal(number, on_signal);
    if (before == SIG_ERR) return EINVAL;
    former_handler& former = former_of(number);
    was_handled = before == on_signal;
    if (was_handled) return 0;
    const bool is_new = !former.is_installed.exchange(true);
    former.before = before;
    if (number == SIGTERM && is_new) ::SetConsoleCtrlHandler(on_console_event, TRUE);
    return 0;
}

void uninstall_signal(int number) noexcept {
    former_handler& former = former_of(number);
    if (!former.is_installed.exchange(false)) return;
    if (number == SIGTERM) ::SetConsoleCtrlHandler(on_console_event, FALSE);
    const signal_function now = std::signal(number, former.before);
    if (now != on_signal && now != SIG_ERR) std::signal(number, now);  // the program's
}

bool is_default_signal(int number) noexcept {
    const signal_function now = handler_now(number);
    return (now == on_signal ? former_of(number).before : now) == SIG_DFL;
}

bool unblock_signal(int) noexcept { return false; }
void block_signal(int) noexcept {}

// Never called: no process is forked.
void leave_to_the_system(int) noexcept { std::abort(); }

}  // namespace bight::detail
