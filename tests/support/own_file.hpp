// own_file_mode, own_file_owner: what the system tells of a file that was made with the mode 0600.
#pragma once

#include <unistd.h>

namespace test {

#ifdef _WIN32

// Windows knows files that may not be written, has no permissions of others, and no numbers of users.
inline constexpr unsigned own_file_mode = 0666;
inline unsigned own_file_owner() { return 0; }

#else

inline constexpr unsigned own_file_mode = 0600;
inline unsigned own_file_owner() { return ::geteuid(); }

#endif

}  // namespace test
