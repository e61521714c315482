// signal_watch: waits for signals.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>

namespace BIGHT_EXPORT bight {

namespace detail {
class signal_wait;
class watched_signals;
}  // namespace detail

struct received_signal {
    int number = 0;
    /// The process that has sent it; 0 when that is not known: it came from the kernel (Ctrl-C at a terminal,
    /// a timer, a child that has ended), or from another namespace of processes; on Windows, and in the
    /// simulation.
    int sender = 0;
};

/// Is told of signals, while it lives.
///
///     bight::signal_watch reload{SIGHUP};
///     for (;;) {
///         co_await reload.next();
///         …
///     }
///
/// From the constructor on each signal is told once to every watch of its number, on whichever reactors; one
/// that comes several times before it is taken is told once: a signal says that there is something to look
/// at, and not how much. So nothing is lost while no task waits. Real-time signals are no exception. Of
/// several numbers that have come each has its turn, not in the order in which they came.
///
/// While it is watched a signal has no other effect in this process: neither its default one, nor that of a
/// handler of the program's, nor does it stop `run`. (A handler of SIGCHLD is called as well.) With the last
/// watch of its number the action is put back that was there before; one that the program has set meanwhile
/// stays. The signal is unblocked on this thread meanwhile. Child processes get default actions; a forked
/// child has the former ones, and its copy of a watch is told nothing.
///
/// Windows: SIGINT (Ctrl-C), SIGBREAK (Ctrl-Break), and SIGTERM (also when the console is closed, the user
/// logs off or the system shuts down: then the system ends the process some seconds later). A simulated host
/// is told of what sim::host::signal sends.
///
/// Thread: the reactor's, on which it was made. One that outlives its reactor is told nothing more.
class signal_watch {
  public:
    /// Throws std::logic_error where no reactor runs, std::bad_alloc, and std::system_error: EINVAL of no
    /// number, of one that is no signal, of SIGKILL and SIGSTOP, and of SIGSEGV, SIGBUS, SIGFPE, SIGILL,
    /// SIGTRAP, SIGSYS and SIGABRT, which no task can answer; errc::unavailable of one that Windows has not.
    explicit signal_watch(std::initializer_list<int> numbers);
    explicit signal_watch(std::span<const int> numbers);
    signal_watch(const signal_watch&) = delete;
    signal_watch& operator=(const signal_watch&) = delete;
    /// A task that waits in next() gets errc::closed. What has come and was not taken is dropped.
    ~signal_watch();

    /// co_await gives the next signal, a received_signal. Cancelling loses none. One task at a time: another
    /// gets errc::busy. Throws std::system_error: errc::closed when the watch is destroyed meanwhile,
    /// errc::wrong_thread on another reactor than its own.
    detail::signal_wait next() noexcept;
    /// One that has come already, if there is one.
    std::optional<received_signal> try_next() noexcept;

  private:
    std::unique_ptr<detail::watched_signals> signals_;
};

/// "SIGHUP", "SIGRTMIN+1"; "signal 77" of a number that has no name here. Thread: any.
std::string signal_name(int number);

// Implementation.

namespace detail {

class [[nodiscard("co_await it")]] signal_wait final : public waiter, public awaiter_base<signal_wait> {
  public:
    explicit signal_wait(watched_signals& of) noexcept : of_(&of) {}

    received_signal await_resume() const;
    void cancel() noexcept override;
    void describe(std::string& out) const override;

  private:
    friend awaiter_base<signal_wait>;
    friend class watched_signals;

    bool suspend(promise_base& p) noexcept;

    watched_signals* of_;
    received_signal received_;
    std::error_code error_;
};

}  // namespace detail
}  // namespace bight
