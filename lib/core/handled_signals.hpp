// handled_signals: what systems do differently with the signals that run handles.
#pragma once

namespace bight::detail {

/// Called with the number of a signal: in its handler, or (Windows) on a thread of the system's. It may only
/// do what a signal handler may.
using signal_function = void (*)(int signal);

/// While they are used, `f` is called for the signals that ask the program to end: SIGINT and SIGTERM; on
/// Windows also for SIGBREAK (Ctrl-Break), and with SIGTERM when the console is closed or the user logs off.
/// Signals for which the program has its own handler, or which it ignores, are left alone; so is a handler
/// that the program sets meanwhile. Each use needs its own leave. Not thread-safe.
void use_stop_signals(signal_function f) noexcept;
void leave_stop_signals() noexcept;
/// The same for SIGUSR1, which Windows has not.
void use_dump_signal(signal_function f) noexcept;
void leave_dump_signal() noexcept;

/// Unblocks those that are used, on this thread: a supervisor, or a runtime of another language, may have
/// started this program with them blocked, and then they would stay pending for ever. Returns those that were
/// blocked, one bit each, for block_signals_again.
unsigned unblock_signals(bool stops, bool dumps) noexcept;
void block_signals_again(unsigned unblocked) noexcept;

/// Called first by `f`: prepares for the next signal.
void signal_arrived(int signal, signal_function f) noexcept;
/// Gives `signal` its default effect, as if nobody handled it. For `f`.
void leave_to_the_system(int signal) noexcept;

}  // namespace bight::detail
