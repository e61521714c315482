#include "windows_overlapped_pipe.hpp"

#include "../core/reactor_state.hpp"
#include "../core/system_error.hpp"
#include "../demux/block_pool.hpp"
#include "../demux/descriptor_calls.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <cerrno>
#include <cstddef>
#include <new>
#include <utility>

namespace bight::detail {

overlapped_pipe& overlapped_pipe::make(reactor& home, detail::native_handle handle, way goes,
                                       std::string what) {
    struct closed_on_error {
        detail::native_handle handle;
        ~closed_on_error() {
            if (handle != invalid_handle) close_descriptor(handle);
        }
    } guard{handle};
    auto* const made = new overlapped_pipe(home, goes, std::move(what));
    made->fd = handle;
    try {
        demultiplexer_of(home).attach(*made);
    } catch (...) {
        made->fd = invalid_handle;
        delete made;
        throw;
    }
    guard.handle = invalid_handle;
    return *made;
}

overlapped_pipe::overlapped_pipe(reactor& home, way goes, std::string what)
    : transport(home), receiving_(*this), sending_(*this), what_(std::move(what)), way_(goes) {
    (goes == way::writes ? read_error_ : write_error_) = EBADF;
    never_waits = true;
}

overlapped_pipe::~overlapped_pipe() {
    if (block_) block_->release(*block_);
}

void overlapped_pipe::tell(pipe_end_listener& who) noexcept {
    who.keep_for_pipe();
    listener_ = &who;
}

void overlapped_pipe::give_no_more() noexcept {
    if (pipe_end_listener* const who = std::exchange(listener_, nullptr)) who->pipe_has_ended();
}

void overlapped_pipe::unused() noexcept {
    if (!demux) {
        give_no_more();
        delete this;
        return;
    }
    retain();
    detach_now(errc::closed);
    release();  // comes back here
}

// Reading

bool overlapped_pipe::give_memory_to(receive_target& target, std::size_t size) noexcept {
    target.data.reset();
    if (!block_) {
        try {
            block_ = heap_block::make(size);
        } catch (const std::bad_alloc&) {
            return false;
        }
    }
    target.into = mutable_buffer(block_->bytes(), size);
    return true;
}

bool overlapped_pipe::read(read_request& request) noexcept {
    request.count = 0;
    if (read_error_ != 0 || read_to_end_) {
        if (read_error_ != 0) request.set_error(system_error_code(read_error_));
        return true;
    }
    if (!demux) {
        request.set_error(errc::closed);
        return true;
    }
    if (request.into.data) {
        target_.into = request.into;
    } else if (!give_memory_to(target_, block_pool::block_size)) {
        request.set_error(system_error_code(ENOMEM));
        return true;
    }
    ++demux->operations;
    if (!demux->start(receiving_)) return false;
    take_read(request);
    return true;
}

void overlapped_pipe::take_read(read_request& request) noexcept {
    const int error = receiving_.error();
    if (receiving_.result > 0) {
        request.count = static_cast<std::size_t>(receiving_.result);
        if (!request.into.data) {
            heap_block& block = *std::exchange(block_, nullptr);
            request.data.fill(block, block.bytes(), request.count);
        }
        reactor_access::spend_budget_for(home(), request.count);
        return;
    }
    if (error != 0) request.set_error(system_error_code(error));
    if (errno_of(error) == ENOMEM || errno_of(error) == ENOBUFS) return;  // for now
    read_error_ = error;
    read_to_end_ = error == 0;
    give_no_more();
}

void overlapped_pipe::received() noexcept {
    if (way_ == way::writes) {
        watched();
        return;
    }
    read_request* const request = reader();
    if (!request) return;
    if (!is_open()) {
        request->set_error(why_closed());
        request->complete_now();
    } else if (receiving_.result == -ECANCELED) {
        request->complete_cancelled();
    } else {
        take_read(*request);
        request->complete_now();
    }
}

void overlapped_pipe::cancel_read() noexcept {
    if (receiving_.in_flight && demux && demux->cancel(receiving_)) reader()->complete_cancelled();
}

// Writing

bool overlapped_pipe::write(write_request& request) noexcept {
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

void overlapped_pipe::take_write(write_request& request) noexcept {
    if (sending_.begun) request.begun = true;
    if (sending_.result >= 0) return;
    if (!is_open()) {
        request.set_error(why_closed());
        return;
    }
    const int error = sending_.error();
    if (errno_of(error) == ENOMEM || errno_of(error) == ENOBUFS) {
        write_cut(request.begun);
    } else {
        write_error_ = error;
    }
    request.set_error(system_error_code(error));
}

// Of a call that was cancelled nobody knows how much the other side has got.
void overlapped_pipe::sent() noexcept {
    write_request* const request = writer();
    if (!request) return;
    if (sending_.result == -ECANCELED && is_open()) {
        request->begun = true;
        request->complete_cancelled();
    } else {
        take_write(*request);
        request->complete_now();
    }
}

void overlapped_pipe::cancel_write() noexcept {
    if (!sending_.in_flight || !demux || !demux->cancel(sending_)) return;
    write_request& request = *writer();
    if (sending_.begun) request.begun = true;
    request.complete_cancelled();
}

std::size_t overlapped_pipe::unwritten() const noexcept {
    std::size_t left = 0;
    if (sending_.in_flight) {
        for (std::size_t i = 0; i < sending_.piece_count; ++i) left += sending_.pieces[i].size;
    }
    return left;
}

// The other side

// The other end only reads: so a read here waits for its end, and for nothing else. Where it writes, what it
// has written would come first.
bool overlapped_pipe::watch(watch_request& request) noexcept {
    if (!demux) {
        request.set_error(errc::closed);
        return true;
    }
    if (way_ == way::reads) return transport::watch(request);
    request.ending = peer_ending::failed;
    target_.into = mutable_buffer(&nothing_, 1);
    ++demux->operations;
    if (!demux->start(receiving_)) return false;
    if (receiving_.result < 0) request.set_error(system_error_code(receiving_.error()));
    return true;
}

void overlapped_pipe::watched() noexcept {
    watch_request* const request = watcher();
    if (!request) return;
    if (!is_open() || !demux) {
        request->complete(why_closed());
    } else if (receiving_.result == -ECANCELED) {
        request->complete_cancelled();
    } else {
        request->complete(receiving_.result < 0 ? system_error_code(receiving_.error()) : std::error_code());
    }
}

void overlapped_pipe::cancel_watch() noexcept {
    if (receiving_.in_flight && demux && demux->cancel(receiving_)) watcher()->complete_cancelled();
}

// The end

// What was written stays in the pipe, and the other side reads its end behind that.
bool overlapped_pipe::shutdown_write(end_request&) noexcept {
    if (demux && way_ == way::writes) demux->detach(*this, true);
    return true;
}

bool overlapped_pipe::close(end_request&) noexcept {
    detach_now(errc::closed);
    return true;
}

void overlapped_pipe::abort(std::error_code reason) noexcept {
    if (is_open()) detach_now(reason ? reason : make_error_code(errc::aborted));
}

void overlapped_pipe::detach_now(std::error_code why) noexcept {
    retain();
    set_closed(why);
    if (demux) demux->detach(*this, true);
    give_no_more();
    release();
}

void overlapped_pipe::describe(std::string& out) const {
    out += what_;
    if (fd != invalid_handle) {
        out += " (handle " + std::to_string(fd) + ")";
    } else {
        out += " (closed)";
    }
}

}  // namespace bight::detail
