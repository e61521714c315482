// attempt: one run of a seed, in this process or in a child.
#pragma once

#include <bight/sim/explore.hpp>

#include <array>
#include <cstdint>
#include <memory>
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
/// The same as run_here in a child process, whose crash or hang is also a result. On Windows it is this
/// process, which a crash or a hang ends, after a report.
attempt run_in_child(world_test& test, std::uint64_t seed, const world_options& options,
                     const child_options& how);

/// While it lives, the kernel keeps the exit statuses of children until this process takes them: the
/// program's own handling of SIGCHLD (ignoring it, or reaping every child) is suspended. (Windows has
/// neither.)
class usual_child_signal {
  public:
    /// Throws std::system_error.
    usual_child_signal();
    usual_child_signal(const usual_child_signal&) = delete;
    usual_child_signal& operator=(const usual_child_signal&) = delete;
    ~usual_child_signal();

  private:
    struct handling;
    std::unique_ptr<handling> before_;
};

}  // namespace bight::sim::detail
