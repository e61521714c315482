// What Winsock's calls of this program do on demand: socket_faults.cpp takes their places. A program that links it has all
// its calls go through it, those of bight and of the test alike.
#pragma once

#include <atomic>

namespace test {

/// While it lives, only this many more sockets can be opened; those that are closed meanwhile count back. Windows has no
/// such limit to set: what the calls say is what they say at its own limit (WSAEMFILE).
class few_sockets {
  public:
    explicit few_sockets(int more);
    few_sockets(const few_sockets&) = delete;
    few_sockets& operator=(const few_sockets&) = delete;
    ~few_sockets();
};

/// Asked before each accept and AcceptEx of the program: what that is to fail with, a code of Winsock; 0: it is made.
/// While it is null, all are made.
extern std::atomic<int (*)()> accept_fault;

/// What waits in the kernel to accept a connection on the socket is interrupted, as by the end of its thread: who waits
/// calls again.
void interrupt_accept(int listening);

}  // namespace test
