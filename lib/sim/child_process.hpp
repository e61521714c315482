// Child processes that run seeds, on systems that fork.
#pragma once

#include "explore_attempt.hpp"

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string_view>

namespace bight::sim::detail {

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
