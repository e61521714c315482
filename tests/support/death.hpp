// dying_words: captures the message of a process that bight aborts.
#pragma once

#include "child.hpp"

#ifndef _WIN32  // where child.hpp has it
#include <signal.h>
#include <unistd.h>

#include <string>

namespace test {

/// Runs `body` in a child process. Returns what it wrote to standard error if it ended by abort(), otherwise
/// a text that no test expects.
template <class F>
std::string dying_words(F body) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category(), "pipe2");
    child one([&](const witness_pipe&) {
        ::signal(SIGABRT, SIG_DFL);
        ::dup2(ends[1], 2);
        ::close(ends[0]);
        body();
        return 0;
    });
    ::close(ends[1]);
    std::string said;
    char buffer[1024];
    for (;;) {
        const ssize_t n = ::read(ends[0], buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        said.append(buffer, static_cast<std::size_t>(n));
    }
    ::close(ends[0]);
    const int status = one.exit_status();
    if (status != 1000 + SIGABRT) return "(it ended with status " + std::to_string(status) + ")";
    return said;
}

}  // namespace test

#endif
