// launch_child: starts a program, with the streams of its pipes.
#pragma once

#include "child_pipe.hpp"
#include "child_process.hpp"

#include <bight/os/command.hpp>
#include <bight/os/process.hpp>

#include <string>
#include <vector>

namespace bight::detail {

/// child_stream::number of a terminal.
inline constexpr int terminal_number = -1;

/// Starts it, in the reactor that runs here, for process::spawn. The caller holds a reference to what it
/// gives. Throws std::system_error, and then nothing is left of the child but streams in `pipes`.
child_process& launch_child(const command& what, std::vector<child_stream>& pipes);

/// A pipe from one child to another, as both expect it. Throws std::system_error with `what`.
pipe_ends open_pipe_for_children(const std::string& what);

}  // namespace bight::detail
