#include "pipe_transport.hpp"

#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"
#include "../demux/block_pool.hpp"
#include "../demux/descriptor_calls.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <poll.h>
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

ssize_t read_from(int fd, char* to, std::size_t size) noexcept {
    ssize_t got = 0;
    do {
        got = ::read(fd, to, size);
    } while (got < 0 && errno == EINTR);
    return got;
}

}  // namespace

pipe_transport& pipe_transport::make(reactor& home, int fd, way goes, std::string what) {
    struct closed_on_error {
        int fd;
        ~closed_on_error() {
            if (fd >= 0) ::close(fd);
        }
    } guard{fd};
    if (const int error = set_non_blocking(fd); error < 0) {
        throw std::system_error(system_error_code(-error), what);
    }
    auto* const made = new pipe_transport(home, goes, std::move(what));
    made->fd = fd;
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

pipe_transport::pipe_transport(reactor& home, way goes, std::string what)
    : transport(home),
      waiting_(*this),
      sending_(*this),
      watching_(*this),
      what_(std::move(what)),
      way_(goes) {
    if (goes == way::writes) read_error_ = EBADF;
    if (goes == way::reads) write_error_ = EBADF;
    is_non_blocking = true;
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
    if (demux->tries_first() && !may_read) {
        if (!demux->start(waiting_)) return false;
    }
    return try_or_wait(request);
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
    ssize_t got = 0;
    int error = 0;
    if (request.into.data) {
        got = read_from(static_cast<int>(fd), static_cast<char*>(request.into.data),
                        std::min(request.into.size, transfer_budget));
        error = errno;
    } else {
        read_buffer buffer(demux->blocks());
        if (!buffer.bytes()) {
            request.set_error(system_error_code(ENOMEM));
            return true;
        }
        got = read_from(static_cast<int>(fd), buffer.bytes(), block_pool::block_size);
        error = errno;
        if (got > 0) buffer.give_to(request.data, static_cast<std::size_t>(got));
    }
    if (got > 0) {
        request.count = static_cast<std::size_t>(got);
        reactor_access::spend_budget_for(home(), request.count);
        return true;
    }
    if (got < 0 && (error == EAGAIN || error == EWOULDBLOCK)) {
        may_read = false;
        return false;
    }
    // A terminal that nobody has open any more gives EIO on Linux, and the end elsewhere.
    end_reading(request, got == 0 || (error == EIO && way_ == way::both) ? 0 : error);
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
    } else if (waiting_.cancel_asked && !try_read(*request)) {
        request->complete_cancelled();
    } else if (waiting_.cancel_asked || try_or_wait(*request)) {
        request->complete_now();
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

bool pipe_transport::peer_has_gone(peer_ending& how) const noexcept {
    pollfd at{static_cast<int>(fd), 0, 0};
    int got = 0;
    do {
        got = ::poll(&at, 1, 0);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return false;
    how = way_ == way::writes ? peer_ending::failed : peer_ending::ended;
    return (at.revents & (POLLHUP | POLLERR)) != 0;
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
    if (fd >= 0) ::close(static_cast<int>(std::exchange(fd, -1)));
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
