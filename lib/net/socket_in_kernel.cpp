// The reads and writes of a socket_transport whose bytes stay in the kernel: the call is tried, and on EAGAIN
// again when a poll says that it may succeed.
#include "socket_transport.hpp"

#include "../demux/splice_calls.hpp"
#include "../io/kernel_write.hpp"
#include "../io/pipe_read.hpp"

#include <cerrno>
#include <memory>
#include <utility>

namespace bight::detail {

bool socket_transport::fills_pipes() const noexcept {
    // A splice would lose descriptors that are to be taken.
    return end_ != 2 && writes_in_kernel() && has_splice() && demux->reads_directly(*this) &&
           demux->blocks_for_bulk().allowed();
}

// A call on a blocking socket, as one that was adopted may be, would hold up the reactor: these calls know no
// MSG_DONTWAIT.
bool socket_transport::writes_in_kernel() const noexcept {
    return demux && !copied_only_ && &demux->sockets() == &kernel_sockets() && calls().is_blocking(fd) == 0;
}

bool socket_transport::read_into_pipe(pipe_read& request) noexcept {
    if (end_ <= 0 || !demux) return read_nothing(request);
    ++demux->operations;
    return go_on_filling(request, known_of_input::nothing);
}

// True when the request is done. What waits between two calls is first an event, which may be an old one, and
// then a poll. If the call gets nothing after that, it is for a plain read: splice stops for ever at the mark
// of urgent data, say.
bool socket_transport::go_on_filling(pipe_read& request, known_of_input known) noexcept {
    request.count = 0;
    if (!request.pipe && !demux->pipes().take(request.pipe, demux->watches_below())) return true;
    // The pipe and the socket of a forked child are its parent's.
    receive_.result = reactor_state::in_forked_child(home())
                          ? -EBADF
                          : splice_from(fd, request.pipe.writing(), request.pipe.room());
    if (receive_.result > 0) {
        request.count = static_cast<std::size_t>(receive_.result);
        reactor_access::spend_budget_for(home(), request.count);
        return true;
    }
    if (receive_.result == -EAGAIN) {
        if (known == known_of_input::polled) return true;
        demux->pipes().give_back(request.pipe);
        receives_as(operation_kind::poll_read);
        receive_.believes_events = demux->tries_first() && known == known_of_input::nothing && !drain;
        if (receive_.believes_events) may_read = false;
        if (!demux->start(receive_)) return false;
        if (receive_.result >= 0) return go_on_filling(request, known_of_input::polled);
    }
    // 0 is the end of the stream, or the mark of urgent data: a plain read tells them apart. It is what is
    // left where the call is refused, too.
    if (receive_.result == -ENOSYS) {
        copied_only_ = true;
    } else if (receive_.result < 0) {
        take_failure(request);
    }
    return true;
}

bool socket_transport::write_in_kernel(kernel_write& request) noexcept {
    if (!demux) {
        request.set_error(errc::closed);
        return true;
    }
    ++demux->operations;
    reactor_access::spend_budget_for(home(), request.left);
    return go_on_in_kernel(request, false);
}

// `polled`: an event has said that there is room. If there is none all the same, the event is one that stays,
// such as a message in the socket's error queue. Meanwhile another owner of the socket may have made it block.
bool socket_transport::go_on_in_kernel(kernel_write& request, bool polled) noexcept {
    for (;;) {
        if (polled && calls().is_blocking(fd) != 0) return true;  // the rest is for a plain write
        const std::int64_t moved =
            reactor_state::in_forked_child(home()) ? -EBADF : request.move_to(static_cast<int>(fd));
        if (moved > 0) {
            request.begun = true;
            request.took(static_cast<std::size_t>(moved));
            if (request.left == 0) return true;
            polled = false;
            continue;
        }
        if (moved == -ENOSYS) {  // with what is left
            if (request.socket_refuses()) copied_only_ = true;
            return true;
        }
        if (moved != -EAGAIN) {
            fail_write(request, moved < 0 ? static_cast<int>(-moved) : EPIPE);
            return true;
        }
        may_write = false;
        if (!make_send(operation_kind::poll_write)) {
            fail_write(request, ENOMEM);
            return true;
        }
        send_->believes_events = true;
        send_->tried_in_vain = polled;
        if (!demux->start(*send_)) return false;
        const std::unique_ptr<sending> done = std::move(send_);
        if (done->result < 0) {
            fail_write(request, done->error());
            return true;
        }
        polled = true;
    }
}

}  // namespace bight::detail
