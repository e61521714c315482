// One seed, run in this process or in a child of it.
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

/// How a run ended, and what is known of it.
struct attempt {
    bool failed = false;
    failure_kind kind = failure_kind::error;
    std::string type;  ///< of the exception
    std::string message;
    std::vector<happened_fault> happened;
    std::array<std::uint64_t, fault_kinds> counts{};
    std::int64_t elapsed = 0;  ///< ns of virtual time
    /// Of a deadlock: which tasks wait where, each place once, without what differs from run to run.
    std::string waits;
    // When details were asked for.
    std::string tasks;
    std::string trace;       ///< JSON lines
    std::string page_error;  ///< why there is no page of it, where one was asked for
    /// Those of the last of `happened`: the trace may have forgotten others.
    std::vector<std::uint64_t> fault_lines;

    /// One line: what failed.
    std::string what() const;
    /// Whether memory ran out, or may have: the kernel ends processes then.
    bool ran_out_of_memory() const;
    /// The same for failures that are taken to be the same one.
    std::string signature() const;
};

/// Of a tree of tasks each task, with its host and the lines at which it waits, once: how long it has waited,
/// and how many there are of it, differs from run to run.
std::string places_in(std::string_view tree);

/// What is known of a world now.
void look_at(const world& w, attempt& a);
/// The same, with details.
void look_closely_at(const world& w, attempt& a);

/// While one lives, the end of this process (a signal, say) looks at the world first, if it is a child that
/// was asked for details.
class watched_world {
  public:
    watched_world(world& w, attempt& a, bool with_details) noexcept;
    watched_world(const watched_world&) = delete;
    watched_world& operator=(const watched_world&) = delete;
    ~watched_world();
    /// The attempt has everything already.
    void is_told() const noexcept;
};

/// As bytes for a pipe, and back.
std::string to_bytes(const attempt& a);
attempt from_bytes(std::string_view bytes);

/// Runs the test in a world of its own, in this process. What it throws is in the result.
/// `copy` gets what happened.
attempt run_here(world_test& test, std::uint64_t seed, const world_options& options, bool with_details,
                 trace* copy = nullptr);
/// The same twice; a failure when they differ.
attempt run_twice_here(world_test& test, std::uint64_t seed, const world_options& options);

struct child_options {
    duration limit{};
    bool with_details = false;
    bool silent = true;
    std::string html;  ///< where to write a page of the trace; empty: nowhere (attempt::page_error)
    std::string title;
};
/// The same as run_here in a process of its own, whose crash or hanging is a result, too.
attempt run_in_child(world_test& test, std::uint64_t seed, const world_options& options,
                     const child_options& how);

/// While it lives, the kernel keeps the results of children that end until this process takes them: what the
/// program does about SIGCHLD (it ignores it, or takes every child's result) rests meanwhile.
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

/// What waitpid would have given for a child whose result somebody else in this process has taken.
inline constexpr int unknown_status = -1;

/// For a process that was just forked.
void become_child(bool silent);
/// What waitpid gave for one that did not end by itself.
attempt attempt_that_ended(int status);
/// What waitpid gives for a child that ends before this moment, or unknown_status.
std::optional<int> wait_for_end(pid_t child, std::chrono::steady_clock::time_point until);
int kill_and_wait(pid_t child) noexcept;
/// False when nobody reads any more.
bool write_all(int fd, std::string_view bytes) noexcept;

}  // namespace bight::sim::detail
