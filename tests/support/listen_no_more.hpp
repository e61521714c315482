// listen_no_more: a listening socket at which every accept fails from now on.
#pragma once

#ifdef _WIN32
#include "connections.hpp"
#include "windows/socket_faults.hpp"

#include <cstddef>
#else
#include <sys/socket.h>
#endif

namespace test {

#ifdef _WIN32

/// While it lives, with EINVAL, as of a socket that does not listen: no call makes one of a socket that does.
/// Who waits for a connection is woken by one.
class listen_no_more {
  public:
    explicit listen_no_more(int fd) : fault_before_(accept_fault.exchange([] { return WSAEINVAL; })) {
        interrupt_accept(fd);
        sockaddr_storage at{};
        socklen_t size = sizeof at;
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
        wakes_ = raw_connect(bight::address::from_native(&at, static_cast<std::size_t>(size)));
    }
    listen_no_more(const listen_no_more&) = delete;
    listen_no_more& operator=(const listen_no_more&) = delete;
    ~listen_no_more() { accept_fault = fault_before_; }

  private:
    int (*fault_before_)();
    raw_socket wakes_;
};

#else

/// With EINVAL (shutdown(2) of a socket that listens).
class listen_no_more {
  public:
    explicit listen_no_more(int fd) { ::shutdown(fd, SHUT_RD); }
    listen_no_more(const listen_no_more&) = delete;
    listen_no_more& operator=(const listen_no_more&) = delete;
    ~listen_no_more() = default;
};

#endif

}  // namespace test
