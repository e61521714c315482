// stream: a handle on a byte-stream connection (TCP, Unix socket, or any transport).
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/core/task.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/chunk.hpp>
#include <bight/io/detail/stream.hpp>
#include <bight/io/socket_options.hpp>
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

/// A handle on a byte-stream connection: TCP, a Unix socket, or anything that implements `transport`.
/// Move-only. A pending operation must end before the handle is destroyed.
///
/// When a handle is destroyed, the reactor closes its connection gracefully: it sends what an outbox still
/// holds, then the end of the stream, within set_close_deadline. It resets the connection instead when the
/// handle is destroyed because of an error (an exception unwinds its task, or has left the coroutine whose
/// parameter it is), or when a write was cut short: so the peer can tell an incomplete stream from a complete
/// one.
///
/// One task may read while another writes. A second concurrent reader, or writer, gets errc::busy. Errors are
/// std::system_error with the errno (ECONNRESET, EPIPE, …), or with an errc: `closed` after close(), and the
/// reason given to abort() (by default `aborted`) for the operations that it interrupts and all later ones.
/// The non-throwing form of each operation is `as_result(operation)`. An error of the connection (a reset, a
/// time-out) is reported to every read and every write; the end of the stream is reported only when the peer
/// has ended it.
///
/// Cancelling a read loses no bytes: the next read gets what has arrived. A cancelled write may have sent a
/// part, and later writes follow that part; the connection then always ends with a reset, because the peer
/// could not notice the gap. If nothing of the cancelled write was sent and another write follows, nothing is
/// missing, and the connection ends normally; if none follows, it ends with a reset as well.
///
/// With an empty handle (default-constructed or moved-from), awaits, set_no_delay and set_keep_alive fail
/// with EBADF; the other functions that need a connection, and cannot report an error, end the process with a
/// message.
///
/// Thread: its reactor's. An await in a task of another reactor throws errc::wrong_thread with a message that
/// names the ways to cross threads; so do the set_ functions. abort() and the destructor, which cannot throw,
/// end the process with that message when the reactor runs on another thread. These checks are active in
/// every build.
class stream {
  public:
    static constexpr std::chrono::seconds default_close_deadline{10};
    /// The default limit of read_until, in bytes.
    static constexpr std::size_t default_limit = 65536;

    stream() noexcept = default;
    /// For implementations of transport.
    explicit stream(transport& t) noexcept : transport_(&t) { t.retain(); }
    stream(const stream&) = delete;  // a connection has one owner: std::move(peer), or a stream& to it
    stream(stream&& other) noexcept : transport_(std::exchange(other.transport_, nullptr)) {}
    stream& operator=(stream&& other) noexcept {
        if (this != &other) {
            drop();
            transport_ = std::exchange(other.transport_, nullptr);
        }
        return *this;
    }
    ~stream() { drop(); }

    /// False for a default-constructed or moved-from handle.
    explicit operator bool() const noexcept { return transport_ != nullptr; }
    /// False from the call of close() or abort() on this side on, also while close() still waits for the
    /// pending writes. The end of the peer, an error and shutdown_write change nothing.
    bool is_open() const noexcept { return transport_ && transport_->accepts_reads(); }

    /// Reads what has arrived, at least one byte, into a buffer of the reactor; gives an empty chunk at the
    /// end of the stream. While it waits, the connection holds no buffer.
    detail::read_chunk_awaiter read_some() noexcept { return detail::read_chunk_awaiter{transport_}; }
    /// The same into the caller's memory; 0 at the end of the stream. The memory must stay valid until the
    /// await has ended. A read of zero bytes completes at once, and its result 0 does not mean the end of the
    /// stream.
    detail::read_into_awaiter read_some(mutable_buffer memory) noexcept {
        return detail::read_into_awaiter{transport_, memory};
    }
    // A const stream is not read or written.
    template <bool fits = false>
    auto read_some(mutable_buffer = {}) const {
        static_assert(
            fits, "reading changes a stream, and this one is const: take a stream&, or the stream by value");
        return detail::refused_operation();
    }
    /// Fills all of `memory`. Throws errc::end_of_stream when the stream ends before that. When it is
    /// cancelled in the middle, the part that was read is in `memory`, but its length is lost.
    task<> read_exactly(mutable_buffer memory);
    // What no other overload takes.
    template <class T>
        requires(!std::is_convertible_v<T, mutable_buffer>)
    auto read_some(T&&) {
        constexpr bool writable = std::is_convertible_v<T, mutable_buffer>;
        static_assert(writable,
                      "read_some takes writable bytes, a char bytes[512] or a std::string of that size, or "
                      "bight::mutable_buffer(pointer, size); without an argument it gives a chunk");
        return detail::refused_operation();
    }
    /// Reads everything up to and including `delimiter` (not empty). What comes after it stays for the next
    /// read. Throws errc::too_long when `limit` bytes hold no delimiter, errc::end_of_stream when the stream
    /// ends before one; after these errors, and after a cancellation, the bytes can still be read.
    task<std::string> read_until(std::string_view delimiter, std::size_t limit = default_limit);

    /// Writes every byte of every piece, in order, gathered into one system call where they fit. Each piece
    /// is text, bytes or a chunk, and must live until the await has ended, as temporaries in the same
    /// expression do. Completes when the kernel (or the transport below) has taken everything, which gives
    /// back-pressure.
    template <class... Pieces>
        requires(sizeof...(Pieces) > 0 && (std::is_convertible_v<const Pieces&, const_buffer> && ...))
    detail::write_awaiter<sizeof...(Pieces)> write(const Pieces&... pieces) noexcept {
        return detail::write_awaiter<sizeof...(Pieces)>{transport_, pieces...};
    }
    template <class... Pieces>
        requires(!(std::is_convertible_v<const Pieces&, const_buffer> && ...) &&
                 !(std::is_convertible_v<Pieces &&, std::span<const_buffer>> && ...))
    auto write(Pieces&&...) {
        constexpr bool bytes = (std::is_convertible_v<const Pieces&, const_buffer> && ...);
        static_assert(
            bytes,
            "write takes text, bytes and chunks: a number as std::to_string(n), an optional as *line, "
            "one character c as std::string(1, c), other objects as "
            "bight::const_buffer(&object, sizeof object)");
        return detail::refused_operation();
    }
    template <class... Pieces>
        requires(sizeof...(Pieces) > 0 && (std::is_convertible_v<const Pieces&, const_buffer> && ...))
    auto write(const Pieces&...) const {
        constexpr bool changes = sizeof...(Pieces) == 0;
        static_assert(
            changes,
            "writing changes a stream, and this one is const: take a stream&, or the stream by value");
        return detail::refused_operation();
    }
    /// The same for a list of pieces; the elements of the list are changed during the write.
    detail::write_list_awaiter write(std::span<const_buffer> pieces) noexcept {
        return detail::write_list_awaiter{transport_, pieces};
    }

    /// Ends the outgoing direction after the pending writes: the peer reads the end of the stream, and can
    /// still send. After `deadline`, or when this is cancelled, the stream is aborted; the deadline throws
    /// errc::timed_out. When a write was cut short, it resets the connection and throws errc::aborted. Later
    /// writes fail with errc::closed.
    detail::end_awaiter shutdown_write(duration deadline = default_close_deadline) noexcept {
        return detail::end_awaiter{transport_, deadline, true};
    }
    /// Waits for the pending writes (of an outbox, say), then closes both directions gracefully. It completes
    /// when everything that this side sends is on its way, including the end of the stream. From the call on,
    /// input is discarded: a pending read fails with errc::closed, and a peer that writes before it reads
    /// cannot hold up the close. The reactor keeps the connection until the peer has ended it too, or until
    /// `deadline`, because unread input would make the kernel reset the connection and drop data that is on
    /// its way to the peer (RFC 1122, 4.2.2.13).
    ///
    /// If not everything is on its way by `deadline`, or the task is cancelled, the stream is aborted; the
    /// deadline throws errc::timed_out. When a write was cut short, it resets the connection and throws
    /// errc::aborted; when an outbox failed and lost messages, it throws that error. A peer that has gone
    /// without losing data is no error. Later reads and writes fail with errc::closed.
    detail::end_awaiter close(duration deadline = default_close_deadline) noexcept {
        return detail::end_awaiter{transport_, deadline, false};
    }
    /// The longest time that the reactor may take to close the connection after this handle is destroyed; 10
    /// s by default.
    void set_close_deadline(duration deadline) noexcept { lower().set_close_patience(deadline); }
    /// Ends the connection at once, with a reset where the transport has one; pending operations end with
    /// `reason` in the next turn.
    void abort(std::error_code reason = errc::aborted) noexcept;

    /// The addresses of the peer and of this side; empty where there is none.
    address peer() const;
    address local() const;
    int native_handle() const noexcept { return transport_ ? transport_->native_handle() : -1; }
    /// TCP_NODELAY, on by default. Throws std::system_error.
    void set_no_delay(bool on);
    /// SO_KEEPALIVE, off by default. Throws std::system_error.
    void set_keep_alive(bool on);

    /// Sets what has a value. Throws std::system_error, which names the option, its value and the peer: out
    /// of its range, refused by the kernel, or (EOPNOTSUPP) one that a Unix socket has not.
    void set_options(const socket_options& options);
    /// What the socket has now, as the kernel gives it; without a value what it has not. All are without one
    /// for a stream that has no socket, or an empty handle.
    socket_options options() const;

    /// Returns bytes that were read but not used: the next read gets them first. At most once between two
    /// reads.
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
