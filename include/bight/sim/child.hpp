// child: what a program of a simulated host is given: the process that it plays.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace sim {

namespace detail {
struct child_access;
struct process_state;
}  // namespace detail

/// A child process of a simulated host, as its program sees it: a task given to host::program, which runs on
/// a reactor of its own and may do what tasks of the host do: connect, listen, use the disk, start children.
///
/// The process ends
/// - when its task has ended and the connections that it has dropped are closed: with the value that the task
///   gives (its low eight bits, as of exit(3));
/// - when an exception leaves the task: with 1, after a line that says it on descriptor 2; one with EPIPE, of
///   a pipe that nobody reads any more, ends it by SIGPIPE; and with 1 when its reactor is stopped;
/// - by a signal for which it has no signal_watch, wherever it waits: nothing of it runs any more, no
/// destructor and no `catch` block, and the
///   memory of its tasks is freed at the end of the world, as after host::crash;
/// - without a status, when its host crashes.
///
/// Then its descriptors, sockets and files are closed, and whatever else runs on its reactor stops for good.
///
/// Thread: that of its reactor.
class child {
  public:
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child();

    /// process::id of its parent's handle.
    int id() const noexcept;
    /// command::name or the program, then command::argument.
    const std::vector<std::string>& arguments() const noexcept;
    /// "NAME=value", as its parent has set and handed it on. A host's own programs have
    /// PATH=/usr/local/bin:/usr/bin:/bin.
    const std::vector<std::string>& environment() const noexcept;
    /// The value of a variable.
    std::optional<std::string_view> variable(std::string_view name) const noexcept;
    /// Where it was started: command::directory, or its parent's; that of a host's own programs is "/".
    const std::string& directory() const noexcept;

    /// The numbers of its descriptors, in order.
    std::vector<int> descriptors() const;
    /// Its side of a pipe, of /dev/null, or of the host's own output; it may be moved out. A pipe goes one
    /// way: the other is EBADF. Throws std::system_error: EBADF when the child has no such descriptor, EINVAL
    /// when it is a socket (see native_handle).
    stream& descriptor(int number);
    stream& standard_input() { return descriptor(0); }
    stream& standard_output() { return descriptor(1); }
    stream& standard_error() { return descriptor(2); }
    /// What bight::connect and bight::listen take as "fd:N" of a socket that was inherited. Throws as
    /// `descriptor`.
    int native_handle(int number) const;
    /// Closes a descriptor; does nothing when there is none.
    void close(int number) noexcept;

    /// From now on the signal has no effect on the child, unless a signal_watch waits for it: that comes
    /// first, as a handler. Throws std::system_error (EINVAL): there is no such signal, or it cannot be
    /// ignored (SIGKILL, SIGSTOP).
    void ignore(int signal);
    /// Sends itself a signal, as raise(3): when that ends it, the task does not go on. Throws
    /// std::system_error (EINVAL).
    task<> raise(int signal);

  private:
    friend struct detail::child_access;
    explicit child(std::shared_ptr<detail::process_state> is);
    std::shared_ptr<detail::process_state> is_;
    std::map<int, stream> streams_;
};

}  // namespace sim
}  // namespace bight
