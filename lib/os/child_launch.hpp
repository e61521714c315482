// launch_child: starts a program, with the streams of its pipes.
#pragma once

#include "child_pipe.hpp"
#include "child_process.hpp"
#include "command_access.hpp"
#include "command_name.hpp"

#include "../core/system_error.hpp"

#include <bight/os/command.hpp>
#include <bight/os/process.hpp>

#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

namespace bight::detail {

/// child_stream::number of a terminal.
inline constexpr int terminal_number = -1;

/// Starts it, in the reactor that runs here, for process::spawn. The caller holds a reference to what it
/// gives. Throws std::system_error, and then nothing is left of the child but streams in `pipes`.
child_process& launch_child(const command& what, std::vector<child_stream>& pipes);

/// Which descriptor of the child `of`, a `same`, is in the end, for it may be the same as a third; its own
/// number when they go in a circle.
inline int other_descriptor(const command& c, const command::entry& of) noexcept {
    int other = of.from;
    // More hops than entries: a circle.
    for (auto left = command_access::descriptors(c).size(); left > 0; --left) {
        const auto at = c.descriptor(other);
        if (!at || at->kind != child_descriptor::same) return other;
        other = at->from;
    }
    return of.number;
}

/// The child has not got the other one.
[[noreturn]] inline void refuse_same(const command::entry& e, const std::string& name) {
    throw std::system_error(system_error_code(EBADF), "process: " + descriptor_of(e.number, name) +
                                                          ", which is to be the same as its " +
                                                          std::to_string(e.from));
}

/// A pipe from one child to another, as both expect it. Throws std::system_error with `what`.
pipe_ends open_pipe_for_children(const std::string& what);

}  // namespace bight::detail
