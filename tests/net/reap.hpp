// reap: waits for a forked child.
#pragma once

#include "support/catch.hpp"

#include <sys/wait.h>

namespace test {

/// Waits for the end of the child, which is to have the exit status 0.
inline void reap(pid_t child) {
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
}

}  // namespace test
