// Signals of Windows: those of the C library (raise, Ctrl-C, Ctrl-Break), and those events of the console
// that end the process.
#include "handled_signals.hpp"

#include <windows.h>

#include <csignal>
#include <cstdlib>

namespace bight::detail {

namespace {

// A signal that bight handles while it is used, unless the program has set its own handler.
class handled_signal {
  public:
    constexpr explicit handled_signal(int number) noexcept : number_(number) {}

    void use(signal_function f) noexcept {
        if (users_++ > 0) return;
        ours_ = f;
        const signal_function before = std::signal(number_, f);
        installed_ = before == SIG_DFL;
        if (!installed_ && before != SIG_ERR) std::signal(number_, before);
    }
    void leave() noexcept {
        if (--users_ > 0 || !installed_) return;
        const signal_function now = std::signal(number_, SIG_DFL);
        if (now != ours_ && now != SIG_ERR) std::signal(number_, now);  // the program's
    }

  private:
    int number_;
    int users_ = 0;
    bool installed_ = false;
    signal_function ours_ = nullptr;
};

constinit handled_signal interrupt_signal{SIGINT};
constinit handled_signal terminate_signal{SIGTERM};
constinit handled_signal break_signal{SIGBREAK};
constinit signal_function at_end = nullptr;
constinit int users = 0;
constinit thread_local bool is_console_event = false;

// Of the events that end the process as soon as this has returned, and in any case some seconds later: until
// then the program may end by itself. On a thread of the system's.
BOOL WINAPI on_console_event(DWORD event) {
    if (event != CTRL_CLOSE_EVENT && event != CTRL_LOGOFF_EVENT && event != CTRL_SHUTDOWN_EVENT) return FALSE;
    is_console_event = true;
    at_end(SIGTERM);
    ::Sleep(INFINITE);
    return TRUE;
}

}  // namespace

// The C library's own handler of console events comes with the first of its signals. The one that was added
// last is called first.
void use_stop_signals(signal_function f) noexcept {
    interrupt_signal.use(f);
    terminate_signal.use(f);
    break_signal.use(f);
    if (users++ > 0) return;
    at_end = f;
    ::SetConsoleCtrlHandler(on_console_event, TRUE);
}

void leave_stop_signals() noexcept {
    if (--users == 0) ::SetConsoleCtrlHandler(on_console_event, FALSE);
    interrupt_signal.leave();
    terminate_signal.leave();
    break_signal.leave();
}

void use_dump_signal(signal_function) noexcept {}
void leave_dump_signal() noexcept {}
unsigned unblock_signals(bool, bool) noexcept { return 0; }
void block_signals_again(unsigned) noexcept {}

// The C library has put the default effect back before it called the handler.
void signal_arrived(int signal, signal_function f) noexcept {
    if (!is_console_event) std::signal(signal, f);
}

// Never called: no process is forked.
void leave_to_the_system(int) noexcept { std::abort(); }

}  // namespace bight::detail
