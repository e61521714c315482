// The system's, and what tests use of POSIX's: see posix.hpp.
#pragma once

#include_next <sys/stat.h>

#include "../posix.hpp"

#define S_IFLNK 0120000
#define S_ISLNK(mode) (((mode) & 0170000) == S_IFLNK)
