// Memory that was given back to the heap, for tests that look at what was written into it before.
#pragma once

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace test {

/// From now on the C library leaves what is freed as it was, but for its own links at both ends: glibc may have
/// been told to overwrite it (MALLOC_PERTURB_).
inline void leave_freed_memory() {
#ifdef __GLIBC__
    ::mallopt(M_PERTURB, 0);
#endif
}

}  // namespace test
