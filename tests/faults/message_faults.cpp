// Takes the place of the C library's sendmsg, recvmsg, recvmmsg and connect.
#include "message_faults.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace {

bool fails(std::deque<int>& errors) {
    if (errors.empty()) return false;
    errno = errors.front();
    errors.pop_front();
    return errno != 0;
}

}  // namespace

extern "C" ssize_t send_or_fail(int fd, const msghdr* message, int flags) __asm__("sendmsg");

extern "C" ssize_t send_or_fail(int fd, const msghdr* message, int flags) {
    if (fails(test::send_errors())) return -1;
    return ::syscall(SYS_sendmsg, fd, message, flags);
}

extern "C" ssize_t receive_or_fail(int fd, msghdr* message, int flags) __asm__("recvmsg");

extern "C" ssize_t receive_or_fail(int fd, msghdr* message, int flags) {
    if (fails(test::receive_errors())) return -1;
    return ::syscall(SYS_recvmsg, fd, message, flags);
}

extern "C" int receive_fewer(int fd, mmsghdr* messages, unsigned count, int flags,
                             timespec* limit) __asm__("recvmmsg");

extern "C" int receive_fewer(int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit) {
    const unsigned most = std::exchange(test::next_receives_only, 0U);
    return static_cast<int>(::syscall(SYS_recvmmsg, fd, messages, most > 0 ? most : count, flags, limit));
}

extern "C" int connect_later(int fd, const sockaddr* to, socklen_t size) __asm__("connect");

extern "C" int connect_later(int fd, const sockaddr* to, socklen_t size) {
    if (test::before_connect()) test::before_connect()(fd);
    return static_cast<int>(::syscall(SYS_connect, fd, to, size));
}
