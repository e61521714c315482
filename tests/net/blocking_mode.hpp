// blocks_as: whether calls on a socket block.
#pragma once

#include <fcntl.h>

namespace test {

#ifdef _WIN32

inline constexpr bool modes_are_told = false;
inline constexpr const char* no_modes = "Windows does not tell whether a socket blocks";

/// Windows does not tell: true.
inline bool blocks_as(int, bool) { return true; }

#else

inline constexpr bool modes_are_told = true;
inline constexpr const char* no_modes = "";

/// Whether they block, or do not block, as expected.
inline bool blocks_as(int fd, bool expected) {
    return ((::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0) == expected;
}

#endif

}  // namespace test
