// pipe_ends: a pipe between two processes.
#pragma once

#include <string>

namespace bight::detail {

struct pipe_ends {
    int reads = -1;
    int writes = -1;
};

/// Moves a descriptor to a number of 3 or more: 0, 1 and 2 of this process are handed to children, and to
/// whatever else writes there. The number, or a negative error number; then it is closed.
int above_standard(int fd) noexcept;

/// Both ends are close-on-exec, above 2, and block. 0 or a negative error number.
int make_blocking_pipe(pipe_ends& made) noexcept;
/// The same; throws std::system_error with `what`.
pipe_ends open_pipe(const std::string& what);

}  // namespace bight::detail
