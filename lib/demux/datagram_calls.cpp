// recvmsg and sendmsg; on Linux recvmmsg and sendmmsg for several.
#include "datagram_calls.hpp"

#include "close_received_on_exec.hpp"
#include "datagram_control.hpp"

#include "../io/socket_headers.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace bight::detail {

namespace {

attempt concluded(operation& op, std::int64_t result) noexcept {
    op.result = result;
    return result == -EAGAIN ? attempt::would_block : attempt::done;
}

// What a call needs beside the memory of a slot. Nothing in it outlives the call.
struct receive_room {
    iovec piece;
    sockaddr_storage from;
    datagram_control_room control;
};

msghdr header_for(receive_room& room, const datagram_slot& slot,
                  const receive_datagrams_operation& op) noexcept {
    room.piece = {slot.memory.data, slot.memory.size};
    msghdr header{};
    header.msg_name = &room.from;
    header.msg_namelen = sizeof room.from;
    header.msg_iov = &room.piece;
    header.msg_iovlen = 1;
    const std::size_t control_room = op.along ? op.along->size : op.control_room;
    if (control_room > 0) header.msg_control = op.along ? op.along->data : room.control.bytes;
    header.msg_controllen = static_cast<decltype(header.msg_controllen)>(control_room);
    return header;
}

void take_datagram(received_datagram& got, const msghdr& header, std::size_t size,
                   const receive_datagrams_operation& op) noexcept {
    got.size = size;
    got.truncated = (header.msg_flags & MSG_TRUNC) != 0;
    got.from = address::from_native(header.msg_name,
                                    std::min<std::size_t>(header.msg_namelen, sizeof(sockaddr_storage)));
    got.to = address();
    got.to_many = false;
    got.interface_index = 0;
    got.traffic_class.reset();
    got.segment_size = 0;
    got.sender.reset();
    if (op.control_room > 0) read_control(header.msg_control, header.msg_controllen, op.port, got);
#if defined(MSG_BCAST) && defined(MSG_MCAST)
    if (got.to && (header.msg_flags & (MSG_BCAST | MSG_MCAST)) != 0) got.to_many = true;
#endif
    if (!got.to && op.to) got.to = *op.to;
}

int receive_one(int fd, datagram_slot& into, const receive_datagrams_operation& op) noexcept {
    receive_room room;
    msghdr header = header_for(room, into, op);
    ssize_t size = 0;
    do {
        size = ::recvmsg(fd, &header, MSG_DONTWAIT | close_on_exec);
    } while (size < 0 && errno == EINTR);
    if (size < 0) return -errno;
    if (op.along) {
        close_received_on_exec(header);
        op.along->size = header.msg_controllen;
        op.along->arrived = true;
        op.along->cut_off = (header.msg_flags & MSG_CTRUNC) != 0;
    }
    take_datagram(into.got, header, static_cast<std::size_t>(size), op);
    return 1;
}

// Fills in what one send needs; a negative error number when the system cannot do it.
int describe_datagram(msghdr& header, iovec& piece, datagram_control_room& control,
                      const outgoing_datagram& d, int family) noexcept {
    header = {};
    header.msg_name = d.to ? const_cast<void*>(d.to.native()) : nullptr;
    header.msg_namelen = d.to ? static_cast<socklen_t>(d.to.native_size()) : 0;
    piece = {const_cast<void*>(d.bytes.data), d.bytes.size};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    const int size = write_control(control, d, family);
    if (size > 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = static_cast<decltype(header.msg_controllen)>(size);
    }
    return std::min(size, 0);
}

int send_one(int fd, const msghdr& header) noexcept {
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 1;
}

// The pieces of a list are passed as they are: see tried_calls.cpp.
int send_pieces(const send_datagrams_operation& op) noexcept {
    msghdr header{};
    header.msg_name = op.to ? const_cast<void*>(op.to->native()) : nullptr;
    header.msg_namelen = op.to ? static_cast<socklen_t>(op.to->native_size()) : 0;
    header.msg_iov = reinterpret_cast<iovec*>(const_cast<const_buffer*>(op.pieces));
    header.msg_iovlen = static_cast<decltype(header.msg_iovlen)>(op.piece_count);
    if (op.along) {
        header.msg_control = op.along->data;
        header.msg_controllen = static_cast<decltype(header.msg_controllen)>(op.along->size);
    }
    return send_one(op.on->fd, header);
}

int send_one(const send_datagrams_operation& op, const outgoing_datagram& d) noexcept {
    msghdr header;
    iovec piece;
    datagram_control_room control;
    const int error = describe_datagram(header, piece, control, d, op.family);
    return error < 0 ? error : send_one(op.on->fd, header);
}

#if defined(__linux__)

// An error after the first datagram stays with the socket: the next call meets it.
[[gnu::noinline]] int receive_together(const receive_datagrams_operation& op, datagram_slot* slots,
                                       std::size_t count) noexcept {
    receive_room rooms[most_datagrams_of_a_call];
    mmsghdr headers[most_datagrams_of_a_call];
    for (std::size_t i = 0; i < count; ++i) {
        headers[i].msg_hdr = header_for(rooms[i], slots[i], op);
        headers[i].msg_len = 0;
    }
    int got = 0;
    do {
        got = ::recvmmsg(op.on->fd, headers, static_cast<unsigned>(count), MSG_DONTWAIT, nullptr);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return -errno;
    for (int i = 0; i < got; ++i) take_datagram(slots[i].got, headers[i].msg_hdr, headers[i].msg_len, op);
    return got;
}

int receive_several(receive_datagrams_operation& op) noexcept {
    const std::size_t count = std::min(op.slot_count, most_datagrams_of_a_call);
    const std::size_t first = std::min(count, op.expected);
    int got = receive_together(op, op.slots, first);
    if (got < 0) return got;
    if (static_cast<std::size_t>(got) == first && first < count) {
        const int more = receive_together(op, op.slots + first, count - first);
        if (more > 0) got += more;
        if (more < 0 && more != -EAGAIN) op.later_error = -more;
    }
    op.expected = std::max(2 * static_cast<std::size_t>(got), op.least_expected);
    return got;
}

// The error of one that is not the first is met again when it is the first.
[[gnu::noinline]] int send_several(const send_datagrams_operation& op) noexcept {
    const std::size_t count = std::min(op.count, most_datagrams_of_a_call);
    mmsghdr headers[most_datagrams_of_a_call];
    iovec pieces[most_datagrams_of_a_call];
    datagram_control_room controls[most_datagrams_of_a_call];
    unsigned known = 0;
    for (; known < count; ++known) {
        const int error = describe_datagram(headers[known].msg_hdr, pieces[known], controls[known],
                                            op.datagrams[known], op.family);
        if (error < 0 && known == 0) return error;
        if (error < 0) break;
    }
    int sent = 0;
    do {
        sent = ::sendmmsg(op.on->fd, headers, known, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

#else

int receive_several(receive_datagrams_operation& op) noexcept {
    const std::size_t count = std::min(op.slot_count, most_datagrams_of_a_call);
    for (std::size_t i = 0; i < count; ++i) {
        const int got = receive_one(op.on->fd, op.slots[i], op);
        if (got > 0) continue;
        if (i == 0) return got;
        if (got != -EAGAIN) op.later_error = -got;
        return static_cast<int>(i);
    }
    return static_cast<int>(count);
}

int send_several(const send_datagrams_operation& op) noexcept {
    const std::size_t count = std::min(op.count, most_datagrams_of_a_call);
    for (std::size_t i = 0; i < count; ++i) {
        const int sent = send_one(op, op.datagrams[i]);
        if (sent < 0) return i == 0 ? sent : static_cast<int>(i);
    }
    return static_cast<int>(count);
}

#endif

}  // namespace

attempt try_receive_datagrams(receive_datagrams_operation& op) noexcept {
    op.later_error = 0;
    return concluded(op, op.slot_count == 1 ? receive_one(op.on->fd, *op.slots, op) : receive_several(op));
}

attempt try_send_datagrams(send_datagrams_operation& op) noexcept {
    int sent = 0;
    if (!op.datagrams) {
        sent = send_pieces(op);
    } else if (op.count == 1) {
        sent = send_one(op, *op.datagrams);
    } else {
        sent = send_several(op);
    }
    const attempt made = concluded(op, sent);
    return op.may_wait ? made : attempt::done;
}

}  // namespace bight::detail
