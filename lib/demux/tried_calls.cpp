#include "tried_calls.hpp"

#include "close_received_on_exec.hpp"
#include "datagram_calls.hpp"
#include "descriptor_calls.hpp"
#include "no_sigpipe.hpp"
#include "stream_calls.hpp"

#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>

namespace bight::detail {

namespace {

// Lists of pieces are passed to the kernel as they are.
static_assert(sizeof(const_buffer) == sizeof(iovec) && sizeof(mutable_buffer) == sizeof(iovec));
static_assert(offsetof(const_buffer, data) == offsetof(iovec, iov_base) &&
              offsetof(const_buffer, size) == offsetof(iovec, iov_len));
static_assert(offsetof(mutable_buffer, data) == offsetof(iovec, iov_base) &&
              offsetof(mutable_buffer, size) == offsetof(iovec, iov_len));

#if defined(__linux__)
constexpr int no_signal = 0x100;  // RWF_NOSIGNAL

ssize_t write_with_flag(int fd, const iovec* pieces, std::size_t count) noexcept {
    return ::pwritev2(fd, pieces, static_cast<int>(count), -1, no_signal);
}
#else
ssize_t write_with_flag(int, const iovec*, std::size_t) noexcept { return -1; }
#endif

}  // namespace

// Probed once, on a pipe made for that.
bool has_no_signal_flag() noexcept {
    static const bool has = [] {
        int ends[2];
        if (make_pipe(ends) < 0) return false;
        char byte = 0;
        const iovec piece{&byte, 1};
        const bool written = write_with_flag(ends[1], &piece, 1) == 1;
        ::close(ends[0]);
        ::close(ends[1]);
        return written;
    }();
    return has;
}

namespace {

// Returns the number of bytes, or -errno; raises no signal.
std::int64_t write_pieces(int fd, const iovec* pieces, std::size_t count) noexcept {
    if (uses_no_signal_flag && has_no_signal_flag()) {
        const ssize_t written = write_with_flag(fd, pieces, count);
        if (written >= 0) return written;
        // Some devices accept no flags at all, but raise no signals either, and a filter may have been
        // installed since the probe: the plain call is tried. It reports errors of the descriptor again.
        if (errno == EAGAIN || errno == EINTR || errno == EPIPE) return -errno;
    }
    const no_sigpipe guard;
    const ssize_t written = ::writev(fd, pieces, static_cast<int>(count));
    const int error = errno;
    if (written >= 0) return written;
    if (error == EPIPE) guard.take_back();
    return -error;
}

attempt ended(operation& op, std::int64_t result) noexcept {
    op.result = result;
    return result == -EAGAIN ? attempt::would_block : attempt::done;
}

attempt try_read(receive_operation& op) noexcept {
    ssize_t got = 0;
    do {
        got = ::read(op.on->fd, op.target->into.data, std::min(op.target->into.size, transfer_budget));
    } while (got < 0 && errno == EINTR);
    return ended(op, got < 0 ? -errno : got);
}

// What a pipe takes that poll(2) has called writable. (Where PIPE_BUF is no constant, POSIX has the least.) A
// terminal promises less: a pseudo-terminal of Linux has room for 256 bytes, and a newline takes two.
#if defined(PIPE_BUF)
constexpr std::size_t fits_pipe = PIPE_BUF;
#else
constexpr std::size_t fits_pipe = _POSIX_PIPE_BUF;
#endif
constexpr std::size_t fits_terminal = 128;

attempt try_write(send_operation& op) noexcept {
    std::size_t bytes_left = transfer_budget;
    op.advance(0);  // pieces of no bytes
    for (unsigned calls = 0; op.piece_count > 0; ++calls) {
        if (bytes_left == 0 || calls == call_budget) return attempt::unfinished;
        std::size_t most = bytes_left;
        if (op.on->is_asked_first) {
            if (const int ready = poll_call(op.on->fd, false); ready <= 0) {
                return ended(op, ready == 0 ? -EAGAIN : ready);
            }
            most = std::min(most, op.on->has_little_room ? fits_terminal : fits_pipe);
        }
        const sendable next = next_to_send(op, most);
        iovec part{const_cast<void*>(op.pieces->data), next.size};
        const auto* const all = reinterpret_cast<const iovec*>(op.pieces);
        const std::int64_t written = write_pieces(op.on->fd, next.count == 1 ? &part : all, next.count);
        if (written == -EINTR) continue;
        if (written < 0) return ended(op, written);
        bytes_left -= static_cast<std::size_t>(written);
        op.advance(static_cast<std::size_t>(written));
    }
    return ended(op, 0);
}

attempt try_receive_message(receive_message_operation& op) noexcept {
    msghdr header{};
    header.msg_name = op.address;
    header.msg_namelen = op.address_room;
    header.msg_iov = reinterpret_cast<iovec*>(op.pieces);
    header.msg_iovlen = static_cast<decltype(header.msg_iovlen)>(op.piece_count);
    header.msg_control = op.control;
    header.msg_controllen = static_cast<decltype(header.msg_controllen)>(op.control_room);
    ssize_t got = 0;
    do {
        got = ::recvmsg(op.on->fd, &header, op.asked_flags | MSG_DONTWAIT | close_on_exec);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return ended(op, -errno);
    close_received_on_exec(header);
    op.address_size = op.address ? header.msg_namelen : 0;
    op.control_size = header.msg_controllen;
    op.flags = header.msg_flags & ~close_on_exec;
    return ended(op, got);
}

attempt try_send_message(send_message_operation& op) noexcept {
    msghdr header{};
    header.msg_name = const_cast<void*>(op.address);
    header.msg_namelen = op.address_size;
    header.msg_iov = reinterpret_cast<iovec*>(const_cast<const_buffer*>(op.pieces));
    header.msg_iovlen = static_cast<decltype(header.msg_iovlen)>(op.piece_count);
    header.msg_control = const_cast<void*>(op.control);
    header.msg_controllen = static_cast<decltype(header.msg_controllen)>(op.control_size);
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(op.on->fd, &header, op.asked_flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return ended(op, sent < 0 ? -errno : sent);
}

attempt try_wait_process(process_operation& op) noexcept {
#if defined(__linux__)
    siginfo_t how{};
    constexpr auto by_descriptor = static_cast<idtype_t>(3);  // P_PIDFD
    const int leaving = op.leaves_it ? WNOWAIT : 0;
    if (::waitid(by_descriptor, static_cast<id_t>(op.on->fd), &how, WEXITED | WNOHANG | leaving) < 0) {
        return ended(op, -errno);
    }
    if (how.si_pid == 0) return ended(op, -EAGAIN);
    op.code = how.si_code;
    op.status = how.si_status;
    return ended(op, 0);
#else
    return ended(op, -ENOSYS);
#endif
}

}  // namespace

attempt try_call(operation& op) noexcept {
    switch (op.kind) {
        case operation_kind::read: return try_read(static_cast<receive_operation&>(op));
        case operation_kind::write: return try_write(static_cast<send_operation&>(op));
        case operation_kind::receive_message:
            return try_receive_message(static_cast<receive_message_operation&>(op));
        case operation_kind::send_message: return try_send_message(static_cast<send_message_operation&>(op));
        case operation_kind::receive_datagrams:
            return try_receive_datagrams(static_cast<receive_datagrams_operation&>(op));
        case operation_kind::send_datagrams:
            return try_send_datagrams(static_cast<send_datagrams_operation&>(op));
        case operation_kind::wait_process: return try_wait_process(static_cast<process_operation&>(op));
        default: return ended(op, -EINVAL);
    }
}

}  // namespace bight::detail
