// pipe_ends: a pipe between two processes.
#pragma once

#include <string>

namespace bight::detail {

struct pipe_ends {
    int reads = -1;
    int writes = -1;
};

/// Both ends are close-on-exec, and block. 0 or a negative error number.
int make_blocking_pipe(pipe_ends& made) noexcept;
/// The same; throws std::system_error with `what`.
pipe_ends open_pipe(const std::string& what);

}  // namespace bight::detail
