// POSIX names for the peers in tests, over winsock, so that the bodies of tests are the same everywhere:
// descriptors are ints, and errors are in errno. The headers beside this one, which are found before the
// system's, include it under the names that POSIX gives them. The library is not compiled with it.
#pragma once

#include <io.h>
#include <winsock2.h>
// After winsock2.h.
#include <afunix.h>
#include <mstcpip.h>
#include <ws2tcpip.h>
// After these.
#include <fcntl.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <ctime>

#undef near  // of 16-bit systems
#undef far

#define SOCK_CLOEXEC 0x80000
#define SOCK_NONBLOCK 0x800
#define MSG_NOSIGNAL 0
#define MSG_DONTWAIT 0x4000000
#define SHUT_RD SD_RECEIVE
#define SHUT_WR SD_SEND
#define SHUT_RDWR SD_BOTH
#define SO_REUSEPORT 0x7fff  // unknown to every system, and so refused

#ifndef O_CLOEXEC
#define O_CLOEXEC 0
#endif
#define O_NONBLOCK 0x4000
#define F_GETFD 1
#define F_SETFD 2
#define F_GETFL 3
#define F_SETFL 4
#define FD_CLOEXEC 1

using sa_family_t = unsigned short;
using in_port_t = unsigned short;

namespace test::posix {

struct pollfd {
    int fd;
    short events;
    short revents;
};

int socket(int domain, int type, int protocol);
/// A pair that is connected over the loopback interface, by TCP (SOCK_STREAM) or UDP (SOCK_DGRAM).
int socketpair(int domain, int type, int protocol, int* ends);
int connect(int fd, const sockaddr* to, socklen_t size);
int bind(int fd, const sockaddr* at, socklen_t size);
int listen(int fd, int backlog);
int accept(int fd, sockaddr* from, socklen_t* size);
int accept4(int fd, sockaddr* from, socklen_t* size, int flags);
ssize_t send(int fd, const void* from, std::size_t size, int flags);
ssize_t sendto(int fd, const void* from, std::size_t size, int flags, const sockaddr* to, socklen_t to_size);
ssize_t recv(int fd, void* to, std::size_t size, int flags);
ssize_t recvfrom(int fd, void* to, std::size_t size, int flags, sockaddr* from, socklen_t* from_size);
int shutdown(int fd, int how);
int getsockname(int fd, sockaddr* to, socklen_t* size);
int getpeername(int fd, sockaddr* to, socklen_t* size);
/// Time-outs are timevals; SO_ERROR gives an errno.
int setsockopt(int fd, int level, int name, const void* value, socklen_t size);
int getsockopt(int fd, int level, int name, void* value, socklen_t* size);
int poll(pollfd* all, unsigned long count, int milliseconds);

/// Sockets, and descriptors of the C runtime.
int close(int fd);
ssize_t read(int fd, void* to, std::size_t size);
ssize_t write(int fd, const void* from, std::size_t size);
int dup(int fd);
/// F_GETFD and F_SETFD of sockets and other handles; F_GETFL and F_SETFL (O_NONBLOCK) of sockets.
int fcntl(int fd, int command, int argument = 0);
/// FIONREAD.
int ioctl(int fd, long request, int* value);
/// Descriptors of the C runtime.
int pipe(int* ends);
int pipe2(int* ends, int flags);

/// Of a handle: the times of the last access and of the last change.
int futimens(int handle, const timespec* times);

struct if_nameindex {
    unsigned if_index;
    const char* if_name;
};
/// The interfaces; the last one has the index 0. Null when they cannot be had.
struct if_nameindex* if_nameindex();
void if_freenameindex(struct if_nameindex* all);

int setenv(const char* name, const char* value, int overwrite);
int unsetenv(const char* name);
/// How many sockets and completion ports this process has open; -1 where that cannot be known.
int open_sockets();
/// Fills in the six X at the end of `pattern`.
char* mkdtemp(char* pattern);

}  // namespace test::posix

using test::posix::accept;
using test::posix::accept4;
using test::posix::bind;
using test::posix::close;
using test::posix::connect;
using test::posix::dup;
using test::posix::fcntl;
using test::posix::futimens;
using test::posix::getpeername;
using test::posix::getsockname;
using test::posix::getsockopt;
using test::posix::if_freenameindex;
using test::posix::if_nameindex;
using test::posix::ioctl;
using test::posix::listen;
using test::posix::mkdtemp;
using test::posix::pipe;
using test::posix::pipe2;
using test::posix::poll;
using test::posix::pollfd;
using test::posix::read;
using test::posix::recv;
using test::posix::recvfrom;
using test::posix::send;
using test::posix::sendto;
using test::posix::setenv;
using test::posix::setsockopt;
using test::posix::shutdown;
using test::posix::socket;
using test::posix::socketpair;
using test::posix::unsetenv;
using test::posix::write;
