// The system's, and what tests use of Linux's: flags that make a socket non-blocking, and closed in programs that are
// started, in the call that makes it.
#pragma once

#define socket system_socket
#define socketpair system_socketpair
#include_next <sys/socket.h>
#undef socket
#undef socketpair

#include <fcntl.h>
#include <unistd.h>

#define SOCK_CLOEXEC 0x80000
#define SOCK_NONBLOCK 0x800
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0x80000
#endif

namespace test::posix {

extern "C" int socket_of_the_system(int domain, int type, int protocol) __asm("_socket");
extern "C" int socketpair_of_the_system(int domain, int type, int protocol, int* ends) __asm("_socketpair");

inline int with_flags(int fd, int flags) {
    if (fd >= 0 && (flags & SOCK_CLOEXEC)) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (fd >= 0 && (flags & SOCK_NONBLOCK)) ::fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

}  // namespace test::posix

inline int socket(int domain, int type, int protocol) {
    return test::posix::with_flags(test::posix::socket_of_the_system(domain, type & 0xff, protocol), type);
}

inline int socketpair(int domain, int type, int protocol, int* ends) {
    const int result = test::posix::socketpair_of_the_system(domain, type & 0xff, protocol, ends);
    for (int i = 0; result == 0 && i < 2; ++i) test::posix::with_flags(ends[i], type);
    return result;
}

inline int accept4(int fd, sockaddr* from, socklen_t* size, int flags) {
    return test::posix::with_flags(::accept(fd, from, size), flags);
}
