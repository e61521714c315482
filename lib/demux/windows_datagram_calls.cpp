// WSARecvMsg and WSASendMsg, one after the other.
#include "datagram_calls.hpp"

#include "datagram_control.hpp"
#include "winsock_extension.hpp"

#include "../io/socket_headers.hpp"

#include <windows.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace bight::detail {

namespace {

int receive_one(LPFN_WSARECVMSG call, SOCKET s, datagram_slot& into,
                const receive_datagrams_operation& op) noexcept {
    sockaddr_storage from{};
    datagram_control_room control;
    WSABUF piece{static_cast<ULONG>(into.memory.size), static_cast<char*>(into.memory.data)};
    WSAMSG message{};
    message.name = reinterpret_cast<sockaddr*>(&from);
    message.namelen = sizeof from;
    message.lpBuffers = &piece;
    message.dwBufferCount = 1;
    if (op.control_room > 0) {
        message.Control.buf = reinterpret_cast<char*>(control.bytes);
        message.Control.len = sizeof control.bytes;
    }
    DWORD size = 0;
    const bool failed = call(s, &message, &size, nullptr, nullptr) == SOCKET_ERROR;
    const int error = failed ? last_socket_error() : 0;
    // A datagram that was cut off is an error here, which has got what fits, and does not say how much that
    // is.
    const bool cut = errno_of(error) == EMSGSIZE;
    if (cut) size = piece.len;
    // No connection could have been reset: a datagram of this socket was refused.
    if (errno_of(error) == ECONNRESET) return -ECONNREFUSED;
    if (failed && !cut) return -error;
    received_datagram& got = into.got;
    got = received_datagram();
    got.size = size;
    got.truncated = cut || (message.dwFlags & MSG_TRUNC) != 0;
    got.from = address::from_native(&from, static_cast<std::size_t>(message.namelen));
    if (op.control_room > 0) read_control(control.bytes, message.Control.len, op.port, got);
    if (got.to && (message.dwFlags & (MSG_BCAST | MSG_MCAST)) != 0) got.to_many = true;
    if (!got.to && op.to) got.to = *op.to;
    return 1;
}

int send_pieces(const send_datagrams_operation& op) noexcept {
    WSABUF parts[pieces_of_a_call];
    const std::size_t count = std::min(op.piece_count, pieces_of_a_call);
    for (std::size_t i = 0; i < count; ++i) {
        parts[i].buf = static_cast<char*>(const_cast<void*>(op.pieces[i].data));
        parts[i].len = static_cast<ULONG>(op.pieces[i].size);
    }
    DWORD sent = 0;
    const auto* const to = op.to ? static_cast<const sockaddr*>(op.to->native()) : nullptr;
    const int result = ::WSASendTo(static_cast<SOCKET>(op.on->fd), parts, static_cast<DWORD>(count), &sent, 0,
                                   to, op.to ? static_cast<int>(op.to->native_size()) : 0, nullptr, nullptr);
    return result == SOCKET_ERROR ? -last_socket_error() : 1;
}

int send_one(const send_datagrams_operation& op, const outgoing_datagram& d) noexcept {
    const auto s = static_cast<SOCKET>(op.on->fd);
    datagram_control_room control;
    const int control_size = write_control(control, d, op.family);
    if (control_size < 0) return control_size;
    WSABUF piece{static_cast<ULONG>(d.bytes.size), static_cast<char*>(const_cast<void*>(d.bytes.data))};
    auto* const to = d.to ? static_cast<sockaddr*>(const_cast<void*>(d.to.native())) : nullptr;
    const int to_size = d.to ? static_cast<int>(d.to.native_size()) : 0;
    DWORD sent = 0;
    int result = SOCKET_ERROR;
    if (control_size == 0) {
        result = ::WSASendTo(s, &piece, 1, &sent, 0, to, to_size, nullptr, nullptr);
    } else {
        const auto call = winsock_extension<LPFN_WSASENDMSG>(s, WSAID_WSASENDMSG);
        if (!call) return -EOPNOTSUPP;
        WSAMSG message{};
        message.name = to;
        message.namelen = to_size;
        message.lpBuffers = &piece;
        message.dwBufferCount = 1;
        message.Control.buf = reinterpret_cast<char*>(control.bytes);
        message.Control.len = static_cast<ULONG>(control_size);
        result = call(s, &message, 0, &sent, nullptr, nullptr);
    }
    return result == SOCKET_ERROR ? -last_socket_error() : 1;
}

}  // namespace

attempt try_receive_datagrams(receive_datagrams_operation& op) noexcept {
    op.later_error = 0;
    const auto s = static_cast<SOCKET>(op.on->fd);
    const auto call = winsock_extension<LPFN_WSARECVMSG>(s, WSAID_WSARECVMSG);
    const std::size_t count = std::min(op.slot_count, most_datagrams_of_a_call);
    int error = call ? 0 : -EOPNOTSUPP;
    std::size_t filled = 0;
    while (error == 0 && filled < count) {
        const int got = receive_one(call, s, op.slots[filled], op);
        if (got < 0) {
            error = got;
        } else {
            ++filled;
        }
    }
    if (filled > 0 && error != -EAGAIN) op.later_error = -error;
    op.result = filled > 0 ? static_cast<std::int64_t>(filled) : error;
    return op.result == -EAGAIN ? attempt::would_block : attempt::done;
}

attempt try_send_datagrams(send_datagrams_operation& op) noexcept {
    const std::size_t count = op.datagrams ? std::min(op.count, most_datagrams_of_a_call) : 1;
    int error = 0;
    std::size_t sent = 0;
    while (error == 0 && sent < count) {
        const int one = op.datagrams ? send_one(op, op.datagrams[sent]) : send_pieces(op);
        if (one < 0) {
            error = one;
        } else {
            ++sent;
        }
    }
    op.result = sent > 0 ? static_cast<std::int64_t>(sent) : error;
    return op.result == -EAGAIN && op.may_wait ? attempt::would_block : attempt::done;
}

}  // namespace bight::detail
