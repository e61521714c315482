// close_received_on_exec: descriptors that come with a message are close-on-exec.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstring>

namespace bight::detail {

#if defined(MSG_CMSG_CLOEXEC)

/// For recvmsg(2).
inline constexpr int close_on_exec = MSG_CMSG_CLOEXEC;
/// To be called after it.
inline void close_received_on_exec(msghdr&) noexcept {}

#else

inline constexpr int close_on_exec = 0;
inline void close_received_on_exec(msghdr& message) noexcept {
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        }
    }
}

#endif

}  // namespace bight::detail
