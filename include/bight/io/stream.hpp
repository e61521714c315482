// stream: a connection of bytes, whatever carries it.
#pragma once

#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/core/task.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/chunk.hpp>
#include <bight/io/detail/stream.hpp>
#include <bight/io/transport.hpp>

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace BIGHT_EXPORT bight {

/// A handle on a connection of bytes: TCP, a Unix socket, or anything that implements `transport`. Move-only.
/// An operation that is pending must end before the handle does.
///
/// A handle that is destroyed leaves its connection to the reactor, which closes it in good order: what an
/// outbox still holds goes out, then the end, for at most set_close_deadline. It resets the connection when
/// it goes by an error (an exception unwinds its task, or has left the coroutine whose parameter it is), and
/// when a write was cut short: the peer can tell a part from a whole.
///
/// One task may read while another writes. A second concurrent reader, or writer, gets errc::busy. Errors are
/// std::system_error with the errno kept (ECONNRESET, EPIPE, …), or bight's own code: `closed` after close(),
/// and what abort() was told (`aborted`) for what it interrupted and for what comes after it. The
/// non-throwing form of each operation is `as_result(operation)`. An error of the connection (a reset, a
/// time-out) is told to whoever reads and to whoever writes, each time; the end of the stream is told only
/// when the peer has ended it. Cancelling a read loses no bytes: what had arrived is there for the next read.
/// A write that is cancelled may have sent a part, and what is written next goes behind that; the connection
/// then ends with a reset, however it is ended, because its peer could not tell. If nothing of it was sent,
/// another write may follow, and nothing was missing; else the end is a reset as well.
///
/// A handle that is empty (it was never given a connection, or was moved from) gives EBADF in an await, and
/// in set_no_delay and set_keep_alive; what else needs a connection, and has no error to give, ends the
/// process with a message.
///
/// Thread: its reactor's. An await elsewhere, in a task of another reactor, throws errc::wrong_thread with a
/// message that names the ways across; so do the set_ functions. abort() and the destructor, which cannot
/// throw, end the process with that message when the reactor runs on another thread. That is so in every
/// build.
class stream {
  public:
    static constexpr std::chrono::seconds default_close_deadline{10};
    /// How many bytes read_until reads at most, unless told otherwise.
    static constexpr std::size_t default_limit = 65536;

    stream() noexcept = default;
    /// For those who implement transports.
    explicit stream(transport& t) noexcept : transport_(&t) { t.retain(); }
    stream(stream&& other) noexcept : transport_(std::exchange(other.transport_, nullptr)) {}
    stream& operator=(stream&& other) noexcept {
        if (this != &other) {
            drop();
            transport_ = std::exchange(other.transport_, nullptr);
        }
        return *this;
    }
    ~stream() { drop(); }

    /// False for a handle that was never given a connection, or was moved from.
    explicit operator bool() const noexcept { return transport_ != nullptr; }
    /// False after close() or abort() on this side.
    bool is_open() const noexcept { return transport_ && transport_->is_open(); }

    /// What has arrived, at least one byte, in a buffer of the reactor's; an empty chunk at the end of the
    /// stream. An idle connection that waits here owns no buffer.
    detail::read_chunk_awaiter read_some() noexcept { return detail::read_chunk_awaiter{transport_}; }
    /// The same into the caller's memory; 0 at the end of the stream. The memory is lent until the await has
    /// ended. A read into no memory, zero bytes, waits for nothing and takes nothing: its 0 says nothing of
    /// the end.
    detail::read_into_awaiter read_some(mutable_buffer memory) noexcept {
        return detail::read_into_awaiter{transport_, memory};
    }
    /// Fills all of `memory`. Throws errc::end_of_stream when the stream ends before. Cancelled in the
    /// middle, the part that was read is in `memory` and its length is lost.
    task<> read_exactly(mutable_buffer memory);
    /// Everything up to and including `delimiter` (not empty). What comes after it stays for the next read.
    /// Throws errc::too_long when `limit` bytes hold no delimiter, errc::end_of_stream when the stream ends
    /// before one; the bytes are then still there to be read, and so they are after a cancellation.
    task<std::string> read_until(std::string_view delimiter, std::size_t limit = default_limit);

    /// Writes every byte of every piece, in order, gathered into one system call where they fit. Each piece
    /// is text, bytes or a chunk, and must live until the await has ended; temporaries in the same expression
    /// do. Completes when the kernel (or the transport below) has taken everything: this is back-pressure.
    template <class... Pieces>
        requires(sizeof...(Pieces) > 0 && (std::is_convertible_v<const Pieces&, const_buffer> && ...))
    detail::write_awaiter<sizeof...(Pieces)> write(const Pieces&... pieces) noexcept {
        return detail::write_awaiter<sizeof...(Pieces)>{transport_, pieces...};
    }
    /// The same for a list, whose elements are changed while it is worked off.
    detail::write_list_awaiter write(std::span<const_buffer> pieces) noexcept {
        return detail::write_list_awaiter{transport_, pieces};
    }

    /// Ends the outgoing direction, after the pending writes: the peer reads the end of the stream, and can
    /// still send. After `deadline`, or when it is cancelled, the stream is aborted; only the deadline throws
    /// (errc::timed_out). Throws errc::aborted, having reset the connection, when a write was cut short.
    /// Writes that begin after it fail with errc::closed.
    detail::end_awaiter shutdown_write(duration deadline = default_close_deadline) noexcept {
        return detail::end_awaiter{transport_, deadline, true};
    }
    /// Waits for the pending writes (an outbox's, say), then closes both directions in good order. Done when
    /// all that this side has to say is on its way, the end included. From the call on what comes is thrown
    /// away: a pending read fails with errc::closed, and a peer that writes before it reads keeps nothing
    /// from going out. The reactor keeps the connection until the peer has ended it too, or until `deadline`:
    /// input that nobody reads would make the kernel reset the connection and drop what is on its way to the
    /// peer (RFC 1122, 4.2.2.13). When not all is on its way by `deadline`, or the task is cancelled before,
    /// the stream is aborted; only the deadline throws (errc::timed_out). Throws errc::aborted, having reset
    /// the connection, when a write was cut short, and what an outbox failed with when that lost what it
    /// held. A peer that is gone and has lost nothing is no error. Reads and writes that begin after close()
    /// fail with errc::closed.
    detail::end_awaiter close(duration deadline = default_close_deadline) noexcept {
        return detail::end_awaiter{transport_, deadline, false};
    }
    /// How long the reactor takes at most to close the connection once this handle is gone: 10 s to begin
    /// with.
    void set_close_deadline(duration deadline) noexcept { lower().set_close_patience(deadline); }
    /// Ends the connection now, with a reset where there is one; what is pending ends with `reason` in the
    /// next turn.
    void abort(std::error_code reason = errc::aborted) noexcept;

    /// The other side's address, and this side's; empty where there is none.
    address peer() const;
    address local() const;
    int native_handle() const noexcept { return transport_ ? transport_->native_handle() : -1; }
    /// TCP_NODELAY, which streams have switched on to begin with. Throws std::system_error.
    void set_no_delay(bool on);
    /// SO_KEEPALIVE, off to begin with. Throws std::system_error.
    void set_keep_alive(bool on);

    /// Gives back bytes that were read but not used: the next read gets them first. Only when nothing was
    /// given back since the last read.
    void unread(chunk bytes) noexcept { lower().unread() = std::move(bytes); }

    transport& lower() const noexcept {
        if (!transport_) [[unlikely]]
            detail::stream_is_empty();
        return *transport_;
    }

  private:
    void drop() noexcept;
    transport* transport_ = nullptr;
};

}  // namespace bight
