// dying_words: captures the message of a process that bight aborts.
#pragma once

#include "child.hpp"

#include <signal.h>

#include <string>

namespace test {

/// What a child has said, as it is said everywhere: without the carriage returns of Windows, and without what
/// its C library adds to the message of every abort.
inline std::string plain(const std::string& said) {
    std::string text;
    for (const char c : said) {
        if (c != '\r') text += c;
    }
    return text.substr(0, text.find("\nThis application has requested the Runtime"));
}

/// Runs `body` in a child process. Returns what it wrote to standard error if it ended by abort(), otherwise
/// a text that no test expects.
template <class F>
std::string dying_words(F body) {
    child one([&](const witness_pipe& pipe) {
        ::signal(SIGABRT, SIG_DFL);
        pipe.take_standard_error();
        body();
        return 0;
    });
    const int status = one.exit_status();
    if (status != aborted) return "(it ended with status " + std::to_string(status) + ")";
    return plain(one.said());
}

}  // namespace test
