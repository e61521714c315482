// run: runs one task on a new reactor, and stops it on SIGINT and SIGTERM.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/exit_status.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>

#include <concepts>
#include <exception>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Options of run.
struct run_options {
    reactor_options reactor = {};
    /// Whether SIGINT and SIGTERM end the task, even if they were blocked (see run).
    bool handle_signals = true;
    /// Whether, with handle_signals, SIGUSR1 writes the tree of tasks to standard error, or to the log
    /// handler (log_level::requested).
    bool dump_on_sigusr1 = true;
};
static_assert(std::is_trivially_destructible_v<run_options>);  // see reactor_options

/// A signal ended the task given to run, whose result is not an exit status.
class interrupted : public std::exception {
  public:
    explicit interrupted(int signal) noexcept : signal_(signal) {}
    int signal() const noexcept { return signal_; }
    const char* what() const noexcept override { return "interrupted by a signal"; }

  private:
    int signal_;
};

namespace detail {

/// While it lives, SIGINT and SIGTERM stop `r`: the first gracefully (reactor::stop), the second at once
/// (reactor::stop_now); the third ends the process with status 128 + n. SIGUSR1 logs the tree of tasks. A
/// handler is installed only where the default one was; it is removed with the last object of this class,
/// unless the program has set another meanwhile. The constructor unblocks the signals that it handles on its
/// thread; the destructor blocks again those that were blocked. Thread: any number on any threads; each must
/// be destroyed on the thread that made it.
class signal_stop {
  public:
    signal_stop(reactor& r, bool stops, bool dumps = true);
    signal_stop(const signal_stop&) = delete;
    signal_stop& operator=(const signal_stop&) = delete;
    ~signal_stop();
    /// The first signal that came, or 0.
    int received() const noexcept;

  private:
    int slot_ = -1;
    unsigned unblocked_ = 0;  // the signals that were blocked before
    bool stops_;
    bool dumps_;
};

template <class T>
int run_for_status(task<T> root, const run_options& options) {
    return reported_status_of("bight::run", [&] {  // there may be no reactor as asked for
        reactor r(options.reactor);
        const signal_stop signals(r, options.handle_signals,
                                  options.handle_signals && options.dump_on_sigusr1);
        const int status = r.run_to_status(std::move(root));
        return status >= 0 ? status : signals.received() ? 128 + signals.received() : 1;
    });
}

}  // namespace detail

/// Makes a reactor, runs `root` on it, and gives its result; to be called by main().
///
/// For a task<void> or a task<int> the result is an exit status: 0, or the int; 1 when the task failed or no
/// reactor could be made, after the error and its trace went to the error handler; 128 + n when signal n
/// ended it. For any other T it is the value; an error of the task is thrown, and `interrupted` when a signal
/// ended it.
///
/// SIGINT and SIGTERM cancel the task, which unwinds in its own time (servers drain); a second one stops the
/// draining; a third exits at once. SIGUSR1 writes the tree of tasks. Signals that are ignored (nohup), or
/// that the program handles, are left alone, and so are those of a signal_watch; the others are unblocked on
/// this thread, since a parent may have blocked them. (A program that waits for signals itself, with
/// sigwait(3) or signalfd(2), turns handle_signals off.) Handlers and the signal mask are restored before run
/// returns; a handler that the program sets meanwhile stays.
///
/// On Windows the signals are those of the C library: SIGINT (Ctrl-C), SIGBREAK (Ctrl-Break) and SIGTERM
/// (`raise`), which counts also when the console is closed, the user logs off or the system shuts down: then
/// the system ends the process some seconds later. There is no SIGUSR1 (but reactor::dump_tasks).
template <class T>
auto run(task<T> root, const run_options& options = {}) -> std::conditional_t<std::is_void_v<T>, int, T> {
    if constexpr (std::is_void_v<T> || std::same_as<T, int>) {
        return detail::run_for_status(std::move(root), options);
    } else {
        reactor r(options.reactor);
        detail::signal_stop signals(r, options.handle_signals,
                                    options.handle_signals && options.dump_on_sigusr1);
        try {
            return r.run(std::move(root));
        } catch (const run_cancelled&) {
            if (signals.received()) throw interrupted(signals.received());
            throw;
        }
    }
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto run(detail::anything = {}, detail::anything = {}) {
    static_assert(
        fits,
        "run(task), or run(task, run_options), takes a task: call the function or the lambda, "
        "run(program()); what is to be awaited and is no task goes into one: bight::task<> program() "
        "{ co_await ...; }; the options of its reactor are run_options::reactor");
    return detail::refused();
}

}  // namespace bight
