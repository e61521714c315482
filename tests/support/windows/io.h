// The C runtime's functions for descriptors, out of the way of those that posix.hpp declares.
#pragma once

#define close runtime_close
#define dup runtime_dup
#define read runtime_read
#define write runtime_write
#include_next <io.h>
#undef close
#undef dup
#undef read
#undef write
