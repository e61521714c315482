// attempt: one run of a seed, in this process or in a child.
#pragma once

#include <bight/sim/explore.hpp>

#include <signal.h>
#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bight::sim::detail {

/// The outcome of a run.
struct attempt {
    bool failed = false;
    failure_kind kind = failure_kind::error;
    std::string type;  ///< the type of the exception
    std::string message;
    std::vector<happened_fault> happened;
    std::array<std::uint64_t, fault_kinds> counts{};
    std::int64_t elapsed = 0;  ///< ns of virtual time
    /// For a deadlock: which tasks wait where, each place once, without details that differ from run to run.
    std::string waits;
    // Set when details were asked for.
    std::string tasks;
    std::string trace;       ///< JSON lines
    std::string page_error;  ///< why the page that was asked for could not be written
    /// The lines of the last faults in `happened`: the trace may no longer have the earlier ones.
    std::vector<std::uint64_t> fault_lines;

    /// One line: what failed.
    std::string what() const;
    /// Whether memory ran out, or may have, because the process was killed.
    bool ran_out_of_memory() const;
    /// A text that is equal for failures that count as the same.
    std::string signature() const;
};

/// The tasks in a tree, each with its host and the lines at which it waits, once, without waiting times and
/// counts, which differ from run to run.
std::string places_in(std::string_view tree);

/// Records the state of the world in `a`.
void look_at(const world& w, attempt& a);
/// The same, with details.
void look_closely_at(const world& w, attempt& a);

/// While one lives in a child that was asked for details, the end of this process (by a signal, say) records
/// the state of the world first.
class watched_world {
  public:
    watched_world(world& w, attempt& a, bool with_details) noexcept;
    watched_world(const watched_world&) = delete;
    watched_world& operator=(const watched_world&) = delete;
    ~watched_world();
    /// The attempt is complete: nothing more need be recorded.
    void is_told() const noexcept;
};

/// Serialise an attempt for a pipe, and back.
std::string to_bytes(const attempt& a);
attempt from_bytes(std::string_view bytes);

/// Runs the test in a new world, in this process. An exception becomes part of the result. `copy` gets the
/// trace.
attempt run_here(world_test& test, std::uint64_t seed, const world_options& options, bool with_details,
                 trace* copy = nullptr);
/// Runs it twice; a failure when the runs differ.
attempt run_twice_here(world_test& test, std::uint64_t seed, const world_options& options);

struct child_options {
    duration limit{};
    bool with_details = false;
    bool silent = true;
    std::string html;  ///< where to write a page of the trace; empty: nowhere (attempt::page_error)
    std::string title;
};
/// The same as run_here in a child process, whose crash or hang is also a result.
attempt run_in_child(world_test& test, std::uint64_t seed, const world_options& options,
                     const child_options& how);

/// While it lives, the kernel keeps the exit statuses of children until this process takes them: the
/// program's own handling of SIGCHLD (ignoring it, or reaping every child) is suspended.
class usual_child_signal {
  public:
    /// Throws std::system_error.
    usual_child_signal();
    usual_child_signal(const usual_child_signal&) = delete;
    usual_child_signal& operator=(const usual_child_signal&) = delete;
    ~usual_child_signal();

  private:
    struct sigaction before_{};
};

/// The status of a child that somebody else in this process has reaped.
inline constexpr int unknown_status = -1;

/// Prepares a process that was just forked.
void become_child(bool silent);
/// An attempt for a child that did not end by itself, from the status that waitpid gave.
attempt attempt_that_ended(int status);
/// The waitpid status of a child that ends before `until`, or unknown_status; empty if it does not end.
std::optional<int> wait_for_end(pid_t child, std::chrono::steady_clock::time_point until);
int kill_and_wait(pid_t child) noexcept;
/// False when the reader has gone.
bool write_all(int fd, std::string_view bytes) noexcept;

}  // namespace bight::sim::detail
