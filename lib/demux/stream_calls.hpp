// The non-blocking calls on stream sockets that operations are made of.
#pragma once

#include "native_handle.hpp"

#include "../core/system_error.hpp"
#include "../io/socket_headers.hpp"

#include <bight/io/buffer.hpp>

#include <cstddef>

#if !defined(_WIN32)
#include <poll.h>
#include <sys/uio.h>
#endif

namespace bight::detail {

// Those whose result is a number of bytes return -1 after an error, which last_socket_error() tells. Windows
// has no flag against waiting, so the socket must be non-blocking there.

#if defined(_WIN32)

inline std::ptrdiff_t receive_call(native_handle fd, void* memory, std::size_t size) noexcept {
    return ::recv(static_cast<SOCKET>(fd), static_cast<char*>(memory), static_cast<int>(size), 0);
}
inline std::ptrdiff_t send_call(native_handle fd, const void* bytes, std::size_t size) noexcept {
    return ::send(static_cast<SOCKET>(fd), static_cast<const char*>(bytes), static_cast<int>(size), 0);
}
/// Of at most pieces_of_a_call pieces.
std::ptrdiff_t send_pieces_call(native_handle fd, const const_buffer* pieces, std::size_t count) noexcept;
/// 0; -EINPROGRESS when it goes on in the kernel; or another negative error number.
int connect_call(native_handle fd, const sockaddr* to, socklen_t size) noexcept;
/// Whether a call would not wait: 1, 0, or a negative error number.
int poll_call(native_handle fd, bool to_read) noexcept;
/// SO_ERROR: an error number, or 0.
int pending_error(native_handle fd) noexcept;

#else

inline std::ptrdiff_t receive_call(native_handle fd, void* memory, std::size_t size) noexcept {
    return ::recv(fd, memory, size, MSG_DONTWAIT);
}
inline std::ptrdiff_t send_call(native_handle fd, const void* bytes, std::size_t size) noexcept {
    return ::send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// The list of pieces is passed to the kernel as it is.
static_assert(sizeof(const_buffer) == sizeof(iovec) &&
              offsetof(const_buffer, data) == offsetof(iovec, iov_base) &&
              offsetof(const_buffer, size) == offsetof(iovec, iov_len));

inline std::ptrdiff_t send_pieces_call(native_handle fd, const const_buffer* pieces,
                                       std::size_t count) noexcept {
    msghdr message{};
    message.msg_iov = reinterpret_cast<iovec*>(const_cast<const_buffer*>(pieces));
    message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(count);
    return ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}
inline int connect_call(native_handle fd, const sockaddr* to, socklen_t size) noexcept {
    if (::connect(fd, to, size) == 0) return 0;
    return errno == EINTR ? -EINPROGRESS : -errno;
}
inline int poll_call(native_handle fd, bool to_read) noexcept {
    pollfd p{fd, static_cast<short>(to_read ? POLLIN : POLLOUT), 0};
    int got = 0;
    do {  // it waits for nothing, and yet a signal may interrupt it
        got = ::poll(&p, 1, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return -errno;
    return (p.revents & POLLNVAL) != 0 ? -EBADF : got;
}
inline int pending_error(native_handle fd) noexcept {
    int error = 0;
    socklen_t size = sizeof error;
    return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

#endif

}  // namespace bight::detail
