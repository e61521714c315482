// Errors of sendmsg(2) and recvmsg(2) on demand, and what happens before a connect(2).
#pragma once

#include <deque>
#include <functional>

namespace test {

/// What the program's next calls of them fail with, one after the other; then they are made. 0: the call is
/// made.
inline std::deque<int>& send_errors() {
    static std::deque<int> errors;
    return errors;
}
inline std::deque<int>& receive_errors() {
    static std::deque<int> errors;
    return errors;
}

/// How many the program's next call of recvmmsg(2) receives, as if it met an error behind them. 0: all.
inline unsigned next_receives_only = 0;

/// Called with the descriptor before each of the program's calls of connect.
inline std::function<void(int fd)>& before_connect() {
    static std::function<void(int)> call;
    return call;
}

}  // namespace test
