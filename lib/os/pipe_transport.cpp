#include "pipe_transport.hpp"

#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"
#include "../demux/block_pool.hpp"
#include "../demux/descriptor_calls.hpp"
#include "../demux/stream_calls.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <new>
#include <utility>

namespace bight::detail {

namespace {

// Temporary errors of this process or machine.
bool is_temporary(int error) noexcept { return error == ENOMEM || error == ENOBUFS; }

// A buffer for a chunk; on io_uring, which receives into buffers of its own, one of the heap.
struct read_buffer {
    explicit read_buffer(block_pool* from) noexcept : pool(from) {
        if (pool) {
            pooled = pool->take();
            return;
        }
        try {
            heap = heap_block::make(block_pool::block_size);
        } catch (const std::bad_alloc&) {  // bytes() tells
        }
    }
    read_buffer(const read_buffer&) = delete;
    read_buffer& operator=(const read_buffer&) = delete;
    ~read_buffer() {
        if (pooled) pool->give_back(*pooled);
        if (heap) heap->release(*heap);
    }
    char* bytes() const noexcept {
        if (pooled) return pooled->bytes();
        return heap ? heap->bytes() : nullptr;
    }
    void give_to(chunk& to, std::size_t size) noexcept {
        char* const data = bytes();
        buffer_block& block = pooled ? static_cast<buffer_block&>(*pooled) : *heap;
        pooled = nullptr;
        heap = nullptr;
        to.fill(block, data, size);
    }

    block_pool* pool;
    block_pool::block* pooled = nullptr;
    heap_block* heap = nullptr;
};

template <class F>
std::int64_t uninterrupted(F call) noexcept {
    ssize_t got = 0;
    do {
        got = call();
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

// A read of what is there, whatever the mode of the descriptor. Pipes know a flag for that since Linux 6.4.
// Terminals do not: another process that reads the same one may take what the poll has seen, and then this
// waits for the next line.
std::int64_t read_what_is_there(int fd, void* to, std::size_t size) noexcept {
#if defined(__linux__)
    const iovec memory{to, size};
    const std::int64_t got = uninterrupted([&] { return ::preadv2(fd, &memory, 1, -1, RWF_NOWAIT); });
    if (got != -EOPNOTSUPP && got != -ENOSYS && got != -ESPIPE && got != -EINVAL) return got;
#endif
    if (const int ready = poll_call(fd, true); ready <= 0) return ready == 0 ? -EAGAIN : ready;
    return uninterrupted([&] { return ::read(fd, to, size); });
}

void close_end(pipe_calls* simulated, int fd) noexcept {
    if (simulated) {
        simulated->close(fd);
    } else {
        ::close(fd);
    }
}

}  // namespace

pipe_transport& pipe_transport::make(reactor& home, int fd, way goes, std::string what, call_mode calls,
                                     std::unique_ptr<descriptor_claim> claim) {
    pipe_calls* const simulated = pipe_calls::of(home, fd);
    struct closed_on_error {
        pipe_calls* simulated;
        int fd;
        ~closed_on_error() {
            if (fd >= 0) close_end(simulated, fd);
        }
    } guard{simulated, fd};
    std::unique_ptr<descriptor_claim> kept = std::move(claim);  // ends before the descriptor is closed
    if (const int error = calls == call_mode::own && !simulated ? set_non_blocking(fd) : 0; error < 0) {
        throw std::system_error(system_error_code(-error), what);
    }
    auto* const made = new pipe_transport(home, fd, goes, std::move(what), calls, std::move(kept));
    try {
        demultiplexer_of(home).attach(*made);
    } catch (...) {
        made->fd = -1;
        delete made;
        throw;
    }
    guard.fd = -1;
    return *made;
}

pipe_transport::pipe_transport(reactor& home, int of, way goes, std::string what, call_mode calls,
                               std::unique_ptr<descriptor_claim> claim)
    : transport(home),
      waiting_(*this),
      sending_(*this),
      watching_(*this),
      simulated_(pipe_calls::of(home, of)),
      what_(std::move(what)),
      claim_(std::move(claim)),
      way_(goes),
      calls_(calls) {
    fd = of;
    if (goes == way::writes) read_error_ = EBADF;
    if (goes == way::reads) write_error_ = EBADF;
    is_non_blocking = calls == call_mode::own;
    never_waits = calls != call_mode::own;
    is_only_polled = is_asked_first = calls == call_mode::asked_first;
    has_little_room = calls == call_mode::asked_first && ::isatty(of) == 1;
    waiting_.believes_events = calls == call_mode::own;
    if (calls == call_mode::of_socket) sending_.kind = operation_kind::send;
}

pipe_transport::~pipe_transport() = default;

void pipe_transport::tell(pipe_end_listener& who) noexcept {
    who.keep_for_pipe();
    listener_ = &who;
}

void pipe_transport::give_no_more() noexcept {
    if (pipe_end_listener* const who = std::exchange(listener_, nullptr)) who->pipe_has_ended();
}

void pipe_transport::unused() noexcept {
    if (!demux) {
        give_no_more();
        delete this;
        return;
    }
    if (in_forked_child()) return;  // the interest sets belong to the parent too
    retain();
    detach_now(errc::closed);
    release();  // comes back here
}

// Reading

bool pipe_transport::read(read_request& request) noexcept {
    request.count = 0;
    if (!demux) {
        if (read_error_ != 0) {
            request.set_error(system_error_code(read_error_));
        } else if (!read_to_end_) {
            request.set_error(errc::closed);
        }
        return true;
    }
    if (read_error_ != 0 || read_to_end_) {
        if (read_error_ != 0) request.set_error(system_error_code(read_error_));
        return true;
    }
    ++demux->operations;
    if (awaits_writer_) {
        waiting_.believes_events = false;
        if (!demux->start(waiting_)) return false;
        if (waiting_.result < 0) {
            request.set_error(system_error_code(waiting_.error()));
            return true;
        }
        writer_has_come();
    } else if (demux->tries_first() && !may_read) {
        if (!demux->start(waiting_)) return false;
    }
    return try_or_wait(request);
}

// A read of a FIFO that nobody has written to yet gives its end: so that was waited for.
void pipe_transport::writer_has_come() noexcept {
    awaits_writer_ = false;
    waiting_.believes_events = calls_ == call_mode::own;
}

std::int64_t pipe_transport::read_call(void* to, std::size_t size) const noexcept {
    const int from = static_cast<int>(fd);
    if (simulated_) return simulated_->read(from, to, size);
    switch (calls_) {
        case call_mode::own: return uninterrupted([&] { return ::read(from, to, size); });
        case call_mode::of_socket: return uninterrupted([&] { return ::recv(from, to, size, MSG_DONTWAIT); });
        default: return read_what_is_there(from, to, size);
    }
}

// True when the request has its answer.
bool pipe_transport::try_or_wait(read_request& request) noexcept {
    while (!try_read(request)) {
        if (!demux->start(waiting_)) return false;
        if (waiting_.result >= 0) continue;
        request.set_error(system_error_code(waiting_.error()));
        break;
    }
    return true;
}

// False when it would block.
bool pipe_transport::try_read(read_request& request) noexcept {
    std::int64_t got = 0;
    if (request.into.data) {
        got = read_call(request.into.data, std::min(request.into.size, transfer_budget));
    } else {
        read_buffer buffer(demux->blocks());
        if (!buffer.bytes()) {
            request.set_error(system_error_code(ENOMEM));
            return true;
        }
        got = read_call(buffer.bytes(), block_pool::block_size);
        if (got > 0) buffer.give_to(request.data, static_cast<std::size_t>(got));
    }
    if (got > 0) {
        request.count = static_cast<std::size_t>(got);
        reactor_access::spend_budget_for(home(), request.count);
        return true;
    }
    if (got == -EAGAIN || got == -EWOULDBLOCK) {
        may_read = false;
        return false;
    }
    // A terminal that nobody has open any more gives EIO on Linux, and the end elsewhere. So does, with
    // nobody gone, the terminal of a session that has lost it.
    const bool is_end = got == 0 || (got == -EIO && has_hung_up());
    end_reading(request, is_end ? 0 : static_cast<int>(-got));
    return true;
}

void pipe_transport::end_reading(read_request& request, int error) noexcept {
    request.count = 0;
    if (error != 0) request.set_error(system_error_code(error));
    if (is_temporary(error)) return;
    read_error_ = error;
    read_to_end_ = error == 0;
    give_no_more();
}

void pipe_transport::may_be_readable() noexcept {
    read_request* const request = reader();
    if (!request) return;
    if (!is_open()) {
        request->set_error(why_closed());
        request->complete_now();
    } else if (waiting_.result == -ECANCELED) {
        request->complete_cancelled();
    } else if (waiting_.result < 0) {
        request->set_error(system_error_code(waiting_.error()));
        request->complete_now();
    } else {
        if (awaits_writer_) writer_has_come();
        if (waiting_.cancel_asked && !try_read(*request)) {
            request->complete_cancelled();
        } else if (waiting_.cancel_asked || try_or_wait(*request)) {
            request->complete_now();
        }
    }
}

void pipe_transport::cancel_read() noexcept {
    if (waiting_.in_flight && demux && demux->cancel(waiting_)) reader()->complete_cancelled();
}

// Writing

bool pipe_transport::write(write_request& request) noexcept {
    request.begun = false;
    if (!demux || write_error_ != 0) {
        request.set_error(write_error_ != 0 ? system_error_code(write_error_)
                                            : make_error_code(errc::closed));
        return true;
    }
    ++demux->operations;
    sending_.begun = false;
    sending_.pieces = request.pieces;
    sending_.piece_count = request.count;
    const std::size_t size = size_of(request);
    if (!demux->start(sending_)) return false;
    reactor_access::spend_budget_for(home(), size);
    take_write(request);
    return true;
}

void pipe_transport::take_write(write_request& request) noexcept {
    if (sending_.begun) request.begun = true;
    if (sending_.result >= 0) return;
    if (!is_open()) {
        request.set_error(why_closed());
        return;
    }
    const int error = sending_.error();
    if (is_temporary(error)) {
        write_cut(request.begun);
    } else {
        write_error_ = error;
    }
    request.set_error(system_error_code(error));
}

void pipe_transport::sent() noexcept {
    write_request* const request = writer();
    if (!request) return;
    if (sending_.result == -ECANCELED && is_open()) {
        if (sending_.begun) request->begun = true;
        request->complete_cancelled();
    } else {
        take_write(*request);
        request->complete_now();
    }
}

void pipe_transport::cancel_write() noexcept {
    if (!sending_.in_flight || !demux || !demux->cancel(sending_)) return;
    write_request& request = *writer();
    if (sending_.begun) request.begun = true;
    request.complete_cancelled();
}

std::size_t pipe_transport::unwritten() const noexcept {
    std::size_t left = 0;
    if (sending_.in_flight) {
        for (std::size_t i = 0; i < sending_.piece_count; ++i) left += sending_.pieces[i].size;
    }
    return left;
}

// The other side

bool pipe_transport::has_hung_up() const noexcept {
    if (simulated_) return simulated_->hung_up(static_cast<int>(fd));
#if defined(POLLRDHUP)
    pollfd at{static_cast<int>(fd), POLLRDHUP, 0};
#else
    pollfd at{static_cast<int>(fd), 0, 0};
#endif
    int got = 0;
    do {
        got = ::poll(&at, 1, 0);
    } while (got < 0 && errno == EINTR);
    return got > 0;
}

bool pipe_transport::peer_has_gone(peer_ending& how) const noexcept {
    how = way_ == way::writes ? peer_ending::failed : peer_ending::ended;
    return has_hung_up();
}

bool pipe_transport::watch(watch_request& request) noexcept {
    if (!demux) {
        request.set_error(errc::closed);
        return true;
    }
    if (peer_has_gone(request.ending)) return true;
    ++demux->operations;
    if (!demux->watch_end(watching_)) return false;
    request.set_error(system_error_code(watching_.error()));
    return true;
}

void pipe_transport::watched() noexcept {
    watch_request* const request = watcher();
    if (!request) return;
    if (!is_open() || !demux) {
        request->complete(why_closed());
    } else if (peer_has_gone(request->ending)) {
        request->complete({});
    } else if (watching_.cancel_asked || watching_.result == -ECANCELED) {
        request->complete_cancelled();
    } else if (demux->watch_end(watching_)) {
        request->complete(system_error_code(watching_.error()));
    }
}

void pipe_transport::cancel_watch() noexcept {
    if (watching_.in_flight && demux && demux->cancel_watch(watching_)) watcher()->complete_cancelled();
}

// The end

// The other side of a pipe reads its end when the last descriptor is closed.
bool pipe_transport::shutdown_write(end_request& request) noexcept {
    if (!demux) return true;
    if (way_ == way::both) {
        request.set_error(std::make_error_code(std::errc::operation_not_supported));
    } else if (way_ == way::writes) {
        claim_.reset();
        demux->detach(*this, true);
    }
    return true;
}

bool pipe_transport::close(end_request&) noexcept {
    detach_now(errc::closed);
    return true;
}

void pipe_transport::push() noexcept {
    if (demux) demux->hand_over();
}

void pipe_transport::forget() noexcept {
    claim_.reset();
    if (fd >= 0) close_end(simulated_, static_cast<int>(std::exchange(fd, -1)));
    set_closed(errc::closed);
}

void pipe_transport::abort(std::error_code reason) noexcept {
    if (!is_open()) return;
    if (demux && in_forked_child()) {
        forget();
        return;
    }
    detach_now(reason ? reason : make_error_code(errc::aborted));
}

void pipe_transport::detach_now(std::error_code why) noexcept {
    retain();
    set_closed(why);
    claim_.reset();
    if (demux) demux->detach(*this, true);
    give_no_more();
    release();
}

void pipe_transport::describe(std::string& out) const {
    out += what_;
    if (fd >= 0) {
        out += " (fd " + std::to_string(fd) + ")";
    } else {
        out += " (closed)";
    }
}

}  // namespace bight::detail
