// The tried calls of Windows. Pipes and consoles have no calls that do not wait, so read and write are not
// among them.
#include "tried_calls.hpp"

#include "datagram_calls.hpp"
#include "stream_calls.hpp"
#include "winsock_extension.hpp"

#include <windows.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace bight::detail {

namespace {

attempt ended(operation& op, std::int64_t result) noexcept {
    op.result = result;
    return result == -EAGAIN ? attempt::would_block : attempt::done;
}

template <class Buffer>
DWORD list_pieces(WSABUF (&parts)[pieces_of_a_call], const Buffer* pieces, std::size_t count) noexcept {
    const std::size_t used = std::min(count, pieces_of_a_call);
    for (std::size_t i = 0; i < used; ++i) {
        parts[i].buf = static_cast<char*>(const_cast<void*>(static_cast<const void*>(pieces[i].data)));
        parts[i].len = static_cast<ULONG>(pieces[i].size);
    }
    return static_cast<DWORD>(used);
}

DWORD size_of(const WSABUF (&parts)[pieces_of_a_call], DWORD count) noexcept {
    DWORD size = 0;
    for (DWORD i = 0; i < count; ++i) size += parts[i].len;
    return size;
}

attempt try_receive_message(receive_message_operation& op) noexcept {
    const auto s = static_cast<SOCKET>(op.on->fd);
    const auto receive = winsock_extension<LPFN_WSARECVMSG>(s, WSAID_WSARECVMSG);
    if (!receive) return ended(op, -EOPNOTSUPP);
    WSABUF parts[pieces_of_a_call];
    WSAMSG message{};
    message.name = static_cast<sockaddr*>(op.address);
    message.namelen = op.address_room;
    message.lpBuffers = parts;
    message.dwBufferCount = list_pieces(parts, op.pieces, op.piece_count);
    message.Control.buf = static_cast<char*>(op.control);
    message.Control.len = static_cast<ULONG>(op.control_room);
    message.dwFlags = static_cast<DWORD>(op.asked_flags);
    DWORD got = 0;
    const bool failed = receive(s, &message, &got, nullptr, nullptr) == SOCKET_ERROR;
    const int error = failed ? last_socket_error() : 0;
    // A datagram that was cut off is an error on Windows, which has got what fits, and does not say how much
    // that is.
    const bool cut = errno_of(error) == EMSGSIZE;
    if (cut) got = size_of(parts, message.dwBufferCount);
    if (failed && !cut) return ended(op, -error);
    op.address_size = op.address ? message.namelen : 0;
    op.control_size = message.Control.len;
    op.flags = static_cast<int>(message.dwFlags) | (cut ? MSG_TRUNC : 0);
    return ended(op, got);
}

attempt try_send_message(send_message_operation& op) noexcept {
    const auto s = static_cast<SOCKET>(op.on->fd);
    WSABUF parts[pieces_of_a_call];
    const DWORD count = list_pieces(parts, op.pieces, op.piece_count);
    const auto flags = static_cast<DWORD>(op.asked_flags);
    DWORD sent = 0;
    int result = SOCKET_ERROR;
    if (op.control_size == 0) {
        result = op.address
                     ? ::WSASendTo(s, parts, count, &sent, flags, static_cast<const sockaddr*>(op.address),
                                   op.address_size, nullptr, nullptr)
                     : ::WSASend(s, parts, count, &sent, flags, nullptr, nullptr);
    } else {
        const auto send = winsock_extension<LPFN_WSASENDMSG>(s, WSAID_WSASENDMSG);
        if (!send) return ended(op, -EOPNOTSUPP);
        WSAMSG message{};
        message.name = static_cast<sockaddr*>(const_cast<void*>(op.address));
        message.namelen = op.address_size;
        message.lpBuffers = parts;
        message.dwBufferCount = count;
        message.Control.buf = static_cast<char*>(const_cast<void*>(op.control));
        message.Control.len = static_cast<ULONG>(op.control_size);
        result = send(s, &message, flags, &sent, nullptr, nullptr);
    }
    return ended(op, result == SOCKET_ERROR ? -last_socket_error() : std::int64_t{sent});
}

attempt try_wait_process(process_operation& op) noexcept {
    const auto process = reinterpret_cast<HANDLE>(op.on->fd);
    const DWORD answer = ::WaitForSingleObject(process, 0);
    if (answer == WAIT_TIMEOUT) return ended(op, -EAGAIN);
    DWORD status = 0;
    if (answer != WAIT_OBJECT_0 || ::GetExitCodeProcess(process, &status) == 0)
        return ended(op, -last_error());
    op.code = 1;  // CLD_EXITED: Windows knows no signals
    op.status = static_cast<int>(status);
    return ended(op, 0);
}

}  // namespace

attempt try_call(operation& op) noexcept {
    switch (op.kind) {
        case operation_kind::receive_message:
            return try_receive_message(static_cast<receive_message_operation&>(op));
        case operation_kind::send_message: return try_send_message(static_cast<send_message_operation&>(op));
        case operation_kind::receive_datagrams:
            return try_receive_datagrams(static_cast<receive_datagrams_operation&>(op));
        case operation_kind::send_datagrams:
            return try_send_datagrams(static_cast<send_datagrams_operation&>(op));
        case operation_kind::wait_process: return try_wait_process(static_cast<process_operation&>(op));
        default: return ended(op, -EOPNOTSUPP);
    }
}

// Windows has no SIGPIPE.
bool has_no_signal_flag() noexcept { return true; }

}  // namespace bight::detail
