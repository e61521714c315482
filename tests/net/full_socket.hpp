// fill: a socket that takes nothing more.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <thread>

namespace test {

namespace detail {

inline std::size_t send_until_refused(int fd, std::size_t step) {
#ifdef _WIN32
    constexpr int at_once = 0;  // a socket of bight's does not block
#else
    constexpr int at_once = MSG_DONTWAIT | MSG_NOSIGNAL;
#endif
    const std::string block(step, 'x');
    std::size_t size = 0;
    for (ssize_t sent = 0; (sent = ::send(fd, block.data(), block.size(), at_once)) > 0;) {
        size += static_cast<std::size_t>(sent);
    }
    return size;
}

}  // namespace detail

/// Sends until a stream's socket, whose peer reads nothing, takes not one byte more; how much that was. What
/// was sent over TCP is on its way for a moment, and makes room for more.
inline std::size_t fill(int fd) {
    std::size_t size = 0;
    for (std::size_t more = 1; more > 0; size += more) {
        more = detail::send_until_refused(fd, 65536) + detail::send_until_refused(fd, 1);
        if (more > 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return size;
}

}  // namespace test
