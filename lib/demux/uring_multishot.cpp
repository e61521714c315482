// Multishot receives and accepts of the io_uring demultiplexer, and the data that arrives unasked.
#include "tool_annotations.hpp"
#include "uring.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace bight::detail {

namespace {

// At most this many filled buffers wait for a task that does not read; fewer when the ring is small.
constexpr unsigned unread_buffers = 4;
constexpr unsigned share_of_ring = 32;
// When nobody accepts, the multishot is stopped after this many connections; the kernel may accept a few more
// before the stop takes effect.
constexpr std::size_t unaccepted_connections = 64;
// How often it enters the kernel to end a multishot at once.
constexpr int most_stops = 100;

}  // namespace

ring_state* uring::state_of(descriptor& d) noexcept {
    if (!d.ring) d.ring = new (std::nothrow) ring_state;
    return d.ring;
}

// Armed only when nothing waits to be read, and for as many bytes as may wait, so that the kernel fills no
// more however long this thread is busy. Where the kernel cannot limit a multishot, each receive is a single
// one.
void uring::arm_receive(descriptor& d) noexcept {
    io_uring_sqe& sqe = entry();
    const unsigned most = std::min(unread_buffers, buffers_->count() / share_of_ring);
    prepare_receive(sqe, d.fd, receive_cap_ && most > 1 ? most : 1);
    armed(d, sqe);
}

void uring::prepare_receive(io_uring_sqe& sqe, int fd, unsigned most) noexcept {
    io_uring_prep_recv(&sqe, fd, nullptr, 0, 0);
    sqe.flags |= IOSQE_BUFFER_SELECT;
    sqe.buf_group = uring_buffers::group;
    if (most == 1) return;
    sqe.ioprio |= IORING_RECV_MULTISHOT;
    // optlen, from Linux 6.17 on. It is checked after each buffer, so the last one may exceed it.
    sqe.file_index = (most - 1) * uring_buffers::buffer_size + 1;
}

// False when memory is exhausted: before the kernel accepts, there must be room for connections that come
// while nobody accepts. No address is requested, because the kernel would write all of them into the same
// place.
bool uring::arm_accept(descriptor& d) noexcept {
    try {
        d.ring->accepted.reserve(unaccepted_connections);
    } catch (const std::bad_alloc&) {
        return false;
    }
    d.ring->listening = true;
    io_uring_sqe& sqe = entry();
    io_uring_prep_multishot_accept(&sqe, d.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    armed(d, sqe);
    return true;
}

void uring::armed(descriptor& d, io_uring_sqe& sqe) noexcept {
    sqe.user_data = tagged(&d, tag_multishot);
    d.ring->armed = true;
    d.ring->stopping = false;
    d.keep();
    ++multishots_;
}

void uring::stop_multishot(descriptor& d) noexcept {
    d.ring->stopping = true;
    d.keep();
    io_uring_sqe& sqe = entry();
    io_uring_prep_cancel64(&sqe, tagged(&d, tag_multishot), 0);
    sqe.user_data = tagged(&d, tag_multishot_cancel);
    ++in_kernel_;
}

// This thread runs what the kernel has to do for it (DEFER_TASKRUN), so that the end has come when it enters
// the kernel with the cancel: at the second time, if a connection came just then.
bool uring::stop_accepting(descriptor& d, std::vector<int>*& ahead) noexcept {
    if (!d.ring) return true;
    for (int tries = 0; d.ring->armed; ++tries) {
        if (tries == most_stops || !may_enter()) return false;
        if (!d.ring->stopping) stop_multishot(d);
        submit();
        io_uring_get_events(&ring_);
        reap();
    }
    ahead = &d.ring->accepted;
    return true;
}

// A cancel that came too late must not count as pending. It is submitted again at once if the descriptor has
// gone, otherwise when there is a reason again.
void uring::multishot_cancelled(descriptor& d, int result) noexcept {
    if (result < 0 && d.ring->armed && d.ring->stopping) {
        d.ring->stopping = false;
        if (d.fd < 0) stop_multishot(d);
    }
    d.drop();
}

void uring::multishot_done(descriptor& d, const io_uring_cqe& cqe) noexcept {
    ring_state& state = *d.ring;
    const bool ended = (cqe.flags & IORING_CQE_F_MORE) == 0;
    socket_has_received(cqe.res);
    if (ended) {
        state.armed = state.stopping = false;
        --multishots_;
    }
    if (cqe.flags & IORING_CQE_F_BUFFER) {
        received(d, cqe);
    } else if (state.listening && cqe.res >= 0) {
        accepted(d, cqe.res);
    } else if (cqe.res == -ENOBUFS && !state.listening) {
        state.starved = true;
    } else {
        ended_with(d, cqe.res);
    }
    while (d.reading && !begin(*d.reading)) {
    }
    if (ended) d.drop();
}

// The kernel reports an end, or an error of the connection, only once; it is kept for the next read. Errors
// for lack of resources, and errors of accepting, are temporary: if no operation waits, they are dropped, and
// the next operation asks the kernel again.
void uring::ended_with(descriptor& d, int result) noexcept {
    const bool waited_for = d.reading && !d.reading->underway;
    if (result == -ECANCELED || result == -EINTR || result == -EAGAIN || d.fd < 0) return;
    if (!waited_for && (d.ring->listening || result == -ENOMEM || result == -ENOBUFS)) return;
    d.ring->has_end = true;
    d.ring->end = result;
}

void uring::received(descriptor& d, const io_uring_cqe& cqe) noexcept {
    uring_buffers::slot& s = buffers_->filled(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
    buffers_->lend(s);
    if (cqe.res <= 0 || d.fd < 0) {
        buffers_->give_back(s);
        if (cqe.res <= 0) ended_with(d, cqe.res);
        return;
    }
    kernel_has_written(buffers_->bytes(s), cqe.res);
    ring_state& state = *d.ring;
    s.offset = 0;
    s.length = static_cast<std::uint32_t>(cqe.res);
    if (s.length == uring_buffers::buffer_size && (cqe.flags & IORING_CQE_F_SOCK_NONEMPTY) &&
        !d.receiving.bulk()) {
        d.receiving.filled();
        d.may_read = true;
    }
    if (state.count > 0 && moved_behind(buffers_->filled(state.last), s)) {
        buffers_->give_back(s);
        return;
    }
    s.next_arrived = ring_state::none;
    if (state.count == 0) {
        state.first = s.id;
    } else {
        buffers_->filled(state.last).next_arrived = s.id;
    }
    state.last = s.id;
    ++state.count;
}

// Moves small pieces that arrive while nobody reads into the free space of the last buffer. True when `s` is
// empty then.
bool uring::moved_behind(uring_buffers::slot& last, uring_buffers::slot& s) noexcept {
    const std::uint32_t end = last.offset + last.length;
    const std::uint32_t part = std::min(uring_buffers::buffer_size - end, s.length);
    if (part == 0) return false;
    char* const bytes = buffers_->bytes(s);
    std::memcpy(buffers_->bytes(last) + end, bytes, part);
    last.length += part;
    s.length -= part;
    std::memmove(bytes, bytes + part, s.length);
    return s.length == 0;
}

void uring::accepted(descriptor& d, int fd) noexcept {
    if (d.fd < 0) {
        ::close(fd);
        return;
    }
    ring_state& state = *d.ring;
    try {
        state.accepted.push_back(fd);
    } catch (const std::bad_alloc&) {
        ::close(fd);
        return;
    }
    if (state.accepted.size() >= unaccepted_connections && !d.reading && state.armed && !state.stopping) {
        stop_multishot(d);
    }
}

// Completes `op` with something that arrived earlier. False when there is nothing.
bool uring::take_arrived(operation& op) noexcept {
    ring_state& state = *op.on->ring;
    if (op.kind == operation_kind::accept) {
        if (!state.accepted.empty()) {
            op.result = state.accepted.front();
            state.accepted.erase(state.accepted.begin());
            return true;
        }
    } else if (op.kind == operation_kind::poll_read) {
        op.result = 0;  // an end too stays for the operation that reads it
        return state.count > 0 || !state.accepted.empty() || state.has_end;
    } else if (op.kind != operation_kind::receive && op.kind != operation_kind::receive_into) {
        return false;
    } else if (take_from_ring(static_cast<receive_operation&>(op), state)) {
        return true;
    }
    if (!state.has_end) return false;
    state.has_end = false;
    op.result = state.end;
    if (op.kind == operation_kind::receive) static_cast<receive_operation&>(op).target->data.reset();
    return true;
}

bool uring::take_from_ring(receive_operation& op, ring_state& state) noexcept {
    if (state.count == 0) return false;
    uring_buffers::slot& s = buffers_->filled(state.first);
    char* const bytes = buffers_->bytes(s) + s.offset;
    if (op.kind == operation_kind::receive) {
        op.result = static_cast<int>(s.length);
        state.first = s.next_arrived;
        --state.count;
        op.target->data = chunk(s, bytes, s.length);
        return true;
    }
    const mutable_buffer into = op.target->into;
    const std::size_t count = into.size < s.length ? into.size : s.length;
    std::memcpy(into.data, bytes, count);
    s.offset += static_cast<std::uint32_t>(count);
    s.length -= static_cast<std::uint32_t>(count);
    if (s.length == 0) {
        state.first = s.next_arrived;
        --state.count;
        buffers_->give_back(s);
    }
    op.result = static_cast<int>(count);
    return true;
}

void uring::drop_arrived(descriptor& d) noexcept {
    if (!d.ring) return;
    ring_state& state = *d.ring;
    while (state.count > 0) {
        uring_buffers::slot& s = buffers_->filled(state.first);
        state.first = s.next_arrived;
        --state.count;
        buffers_->give_back(s);
    }
    state.close_accepted();
}

}  // namespace bight::detail
