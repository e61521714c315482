// make_overlapped_pipe: a pipe between this process and a child.
#pragma once

#include "../demux/windows_handle.hpp"

#include <string>

namespace bight::detail {

struct overlapped_pipe_ends {
    owned_handle ours;    ///< for overlapped calls
    owned_handle theirs;  ///< as programs expect it: its calls wait
};

/// Neither end can be inherited. Nobody but this user, and no other machine, could have opened the pipe while
/// it had a name. Throws std::system_error with `what`.
overlapped_pipe_ends make_overlapped_pipe(bool child_reads, const std::string& what);

}  // namespace bight::detail
