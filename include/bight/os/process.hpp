// process: a child process.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>
#include <bight/os/command.hpp>
#include <bight/os/process_status.hpp>

#include <optional>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

namespace detail {
class child_process;

/// This side of a pipe to or from a child.
struct child_stream {
    int number;  ///< the child's; -1: its terminal
    stream side;
};
}  // namespace detail

/// A handle on a child process, and the streams of its pipes. Move-only.
///
///     bight::process sort = bight::process::spawn(bight::command("sort").pipe_to(0).pipe_from(1));
///
/// A handle that goes while the child lives ends it: its pipes are closed, it gets SIGTERM, and SIGKILL after
/// command::end_patience; with new_group its whole group does. The reactor does so on the side: `run` waits
/// for it, and a stop shortens the patience. So no child is left behind, whichever way a task ends.
///
/// A child is reaped as soon as it has ended, or, when it leads a group, when its handle goes. No other
/// child of this process is ever waited for. The program must not reap those of bight (wait(2), SIGCHLD
/// ignored): `wait` then fails with ECHILD.
///
/// Thread: its reactor's. A handle must not be used or destroyed on another thread while the reactor runs;
/// one that outlives its reactor is of a child that was killed with it. In a forked child of this process
/// it does nothing: the child is its parent's.
class [[nodiscard("a process whose handle goes is ended at once")]] process {
  public:
    /// Starts the program, in the reactor that runs here. When it returns the child is that program, and has
    /// its descriptors; the thread is blocked until then, for a fraction of a millisecond. Nothing of this
    /// process runs in the child, neither code nor handlers of fork.
    ///
    /// Throws std::system_error, which names the program, and what could not be done: ENOENT (there is no
    /// such program), EACCES (it must not be run), ENOEXEC, E2BIG; ENOENT, ENOTDIR and EACCES of the
    /// directory; EPERM of the user; EMFILE; EBADF of a given descriptor that is not open, and of a number
    /// that this process may not have; EINVAL of a text with a zero byte; errc::unavailable under
    /// BIGHT_REACTOR=sim (on Windows on every simulated host), without pidfds where SIGCHLD is ignored or
    /// blocked, and on Windows of a user, a terminal and descriptors above 2. Then nothing is left of it.
    /// On a host of a sim::world programs are those of host::program; a user, a group (EOPNOTSUPP) and a
    /// terminal (errc::unavailable) are refused there.
    static process spawn(const command& what);

    process() noexcept = default;
    process(process&& other) noexcept
        : child_(std::exchange(other.child_, nullptr)), pipes_(std::move(other.pipes_)) {}
    process& operator=(process&& other) noexcept;
    process(const process&) = delete;
    ~process() { drop(); }

    /// False for a default-constructed or moved-from handle, with which everything else throws EBADF.
    explicit operator bool() const noexcept { return child_ != nullptr; }
    /// The number by which the system knows it. It may be another's once the child has been reaped.
    int id() const;

    /// This side of a pipe to or from the child, by the child's number; it may be moved out. Throws
    /// std::system_error (EBADF) when the child has no pipe there.
    stream& pipe(int number) &;
    stream& pipe(int) && = delete;  // give the process a name: without a handle its child is ended
    /// The pipes of 0, 1 and 2.
    stream& standard_input() & { return pipe(0); }
    stream& standard_input() && = delete;  // the same
    stream& standard_output() & { return pipe(1); }
    stream& standard_output() && = delete;  // the same
    stream& standard_error() & { return pipe(2); }
    stream& standard_error() && = delete;  // the same
    /// This side of its pseudo-terminal: what is written is typed, what is read is shown. It ends when the
    /// child has ended and nobody has it open any more. EBADF without one.
    stream& terminal() &;
    stream& terminal() && = delete;  // the same
    /// Sets the size of the terminal's window; the child's foreground group gets SIGWINCH. While the child
    /// lives the stream may have been moved out. Throws std::system_error.
    void resize_terminal(window_size size);

    /// Waits until the child has ended; gives at once what is known. Its pipes may hold more, and be held
    /// open by children of its own. Any number of tasks may wait, and the handle may go meanwhile. Cancelling
    /// changes nothing. Throws std::system_error (ECHILD) when somebody else has reaped it.
    task<process_status> wait();
    /// The same, and until all pipes from the child have ended too: read to their ends, failed, or closed on
    /// this side. Somebody must read them, or this may never end. Children of the child that hold them open
    /// hold it up. Pipes to the child, and the terminal, do not count.
    task<process_status> wait_drained();
    /// What is known of its end; nothing while it lives.
    std::optional<process_status> status() const;

    /// Sends a signal, by number, to the child, or to its group if it leads one, also when it has
    /// ended, or left that. False when it has ended and leads no group. In a forked child of this process
    /// nothing is sent, and it is false. Throws std::system_error (EINVAL: no such signal; EPERM). Windows
    /// has 9, 15 (Ctrl-Break for a group; a child without one is ended at once) and 0.
    bool kill(int signal = 9);
    /// Sends SIGTERM, and SIGKILL if it has not ended after `patience`; waits for its end. Cancelled, it has
    /// sent what it has sent. Throws what `wait` throws, and EPERM when the child must not be killed.
    task<process_status> end(duration patience = command::default_end_patience);

    /// Lets the child go: the handle is empty, nothing ends the child, and it outlives this process. Its
    /// pipes and its terminal are closed on this side. It is reaped if it ends while its reactor lives; one
    /// that ends later, before this process, stays a zombie until then. A ^C at the terminal, and whatever
    /// else is sent to this process's group, reaches it, unless it has a session of its own
    /// (command::new_session). Throws EBADF for an empty handle.
    void detach();

  private:
    explicit process(detail::child_process& child, std::vector<detail::child_stream> pipes) noexcept
        : child_(&child), pipes_(std::move(pipes)) {}
    detail::child_process& child() const;
    void drop() noexcept;

    detail::child_process* child_ = nullptr;
    std::vector<detail::child_stream> pipes_;
};

}  // namespace bight
