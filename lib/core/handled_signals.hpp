// handled_signals: what systems do differently with the signals that bight handles.
#pragma once

#include <bight/core/export.hpp>

#include <span>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Called with the number of a signal: in its handler, or (Windows) on a thread of the system's. It may only
/// do what a signal handler may.
using signal_function = void (*)(int signal);

/// No system has signals above this.
inline constexpr int most_signals = 128;

/// The signals that ask a program to end: SIGINT and SIGTERM; on Windows also SIGBREAK (Ctrl-Break), and
/// SIGTERM counts there when the console is closed or the user logs off.
std::span<const int> stop_signals() noexcept;
/// The one that asks for the tree of tasks: SIGUSR1; 0 on Windows, which has none.
int dump_signal() noexcept;

/// Why a program must not handle a signal.
struct signal_refusal {
    const char* why = nullptr;      ///< null: it may
    bool is_of_the_system = false;  ///< other systems have it
};
signal_refusal refusal_of_signal(int number) noexcept;

/// Handles `number`, from 1 to most_signals, from now on: signal_came is called for it. 0 or an error number.
/// `was_handled`: it was already, and the program has not set another action since. The following are for one
/// thread at a time.
int install_signal(int number, bool& was_handled) noexcept;
/// Puts back the action that was there before, unless the program has set another one meanwhile.
void uninstall_signal(int number) noexcept;
/// Whether the action that is there now, or was before bight's, is the default one.
bool is_default_signal(int number) noexcept;

/// Unblocks it on this thread: a supervisor, or a runtime of another language, may have started this program
/// with it blocked, and then it would stay pending for ever. True when it was blocked. Thread: any.
bool unblock_signal(int number) noexcept;
void block_signal(int number) noexcept;

/// Gives `signal` its default effect, as if nobody handled it. For a handler.
void leave_to_the_system(int signal) noexcept;

/// Called by the handler, see signal_receiver.cpp. `sender`: the process that has sent it, or 0. False when
/// nobody wants it. Safe in a signal handler.
bool signal_came(int number, int sender) noexcept;

}  // namespace detail
}  // namespace bight
