// open_pseudo_terminal, resize_terminal.
#pragma once

#include <bight/os/command.hpp>

namespace bight::detail {

/// A new pseudo-terminal: its master and its slave, both close-on-exec, above 2. Throws std::system_error.
struct terminal_ends {
    int master;
    int slave;
};
terminal_ends open_pseudo_terminal(window_size size);

/// 0 or an error number.
int resize_terminal(int terminal, window_size size) noexcept;

}  // namespace bight::detail
