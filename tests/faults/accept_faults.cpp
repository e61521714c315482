// Takes the place of the C library's accept and accept4.
#include "accept_faults.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

extern "C" int accept_or_fail(int fd, sockaddr* address, socklen_t* size, int flags) __asm__("accept4");

extern "C" int accept_or_fail(int fd, sockaddr* address, socklen_t* size, int flags) {
    int error = test::accept_always_fails;
    if (error == 0 && !test::accept_errors().empty()) {
        error = test::accept_errors().front();
        test::accept_errors().pop_front();
    }
    test::last_accept_error = error;
    if (error != 0) {
        ++test::accepts_failed;
        errno = error;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_accept4, fd, address, size, flags));
}

extern "C" int accept_likewise(int fd, sockaddr* address, socklen_t* size) __asm__("accept");

// What is asked where accept4 seems to be refused: it fails with the same.
extern "C" int accept_likewise(int fd, sockaddr* address, socklen_t* size) {
    if (const int error = std::exchange(test::last_accept_error, 0); error != 0) {
        errno = error;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_accept, fd, address, size));
}
