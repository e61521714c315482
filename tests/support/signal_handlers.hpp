// What the program's handlers of signals are.
#pragma once

#include <signal.h>

namespace test {

using signal_handler = void (*)(int);

/// The handler of a signal: SIG_DFL, SIG_IGN, or a function.
inline signal_handler handler_of(int signal) {
#ifdef _WIN32  // which tells it to none but those who set another
    const signal_handler now = ::signal(signal, SIG_DFL);
    ::signal(signal, now);
    return now;
#else
    struct sigaction now{};
    ::sigaction(signal, nullptr, &now);
    return now.sa_handler;
#endif
}

}  // namespace test
