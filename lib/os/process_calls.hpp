// process_calls: what starts children and asks after them: the system, or a simulated host.
#pragma once

#include "child_pipe.hpp"
#include "child_plan.hpp"
#include "pseudo_terminal.hpp"

#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/os/command.hpp>
#include <bight/os/process_status.hpp>

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The calls complete at once; results are those of the system's, with a negative error number for an error.
/// Thread: the reactor's.
class process_calls {
  public:
    process_calls() noexcept = default;
    process_calls(const process_calls&) = delete;
    process_calls& operator=(const process_calls&) = delete;

    /// Those for the reactor's place; null where there are none: a simulated host without programs.
    static process_calls* of(reactor& home) noexcept;

    /// Throws std::system_error where the end of a child could not be noticed.
    virtual void check() = 0;
    /// "NAME=value", as children inherit it. A copy, for other threads may change it.
    virtual std::vector<std::string> environment() = 0;

    // Descriptors.

    /// Those of fcntl(2), F_GETFD.
    virtual int descriptor_flags(int fd) noexcept = 0;
    virtual int open_null() noexcept = 0;
    virtual int make_pipe(pipe_ends& made) noexcept = 0;
    /// Throws std::system_error.
    virtual terminal_ends open_terminal(window_size size) = 0;
    virtual void close(int fd) noexcept = 0;

    // Children: see child_plan.hpp and child_wait.hpp.

    virtual pid_t start(child_plan& plan) noexcept = 0;
    virtual int open_pidfd(pid_t pid) noexcept = 0;
    virtual int query(pid_t pid, bool reap, process_status& how) noexcept = 0;
    virtual void reap(pid_t pid) noexcept = 0;
    virtual int signal(pid_t pid, int pidfd, bool group, int number) noexcept = 0;
    virtual int signal_group(pid_t leader, int number) noexcept = 0;

  protected:
    ~process_calls() = default;
};

process_calls& system_process_calls() noexcept;
/// Those for the reactor that runs here. Throws std::system_error (errc::wrong_thread, errc::unavailable).
process_calls& process_calls_here();

/// The calls on the pipes of a simulated host, which complete at once, too.
class pipe_calls {
  public:
    /// How many bytes; 0 at the end; a negative error number.
    virtual ssize_t read(int fd, void* to, std::size_t size) noexcept = 0;
    /// Whether nobody has the other side any more.
    virtual bool hung_up(int fd) noexcept = 0;
    virtual void close(int fd) noexcept = 0;

    /// Those for a descriptor at the reactor's place; null for one of the system's, whose calls are pipe_transport's own.
    static pipe_calls* of(reactor& home, int fd) noexcept;

  protected:
    ~pipe_calls() = default;
};

/// The part of a platform that has children of its own.
class process_platform {
  public:
    /// Null when its host has none.
    virtual process_calls* processes() noexcept = 0;
    virtual pipe_calls& pipes() noexcept = 0;

  protected:
    ~process_platform() = default;
};

/// As that of child_pipe.hpp, in the reactor's place. Throws std::system_error with `what`.
pipe_ends open_pipe(process_calls& by, const std::string& what);

}  // namespace detail
}  // namespace bight
