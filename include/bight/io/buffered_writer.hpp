// buffered_writer: gathers many small writes into few system calls.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/outbox.hpp>
#include <bight/io/stream.hpp>

#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

template <std::size_t N>
class [[nodiscard("co_await it"), gnu::warn_unused]] gathered_write final
    : public outbox_wait,
      public awaiter_base<gathered_write<N>> {
  public:
    template <class... Pieces>
    explicit gathered_write(outbox_state& on, const Pieces&... bytes) noexcept
        : outbox_wait(on, payload(), false), pieces_{const_buffer(bytes)...} {}

  private:
    friend awaiter_base<gathered_write>;
    bool suspend(promise_base& p) noexcept { return outbox_wait::suspend(p, pieces_); }
    const_buffer pieces_[N];
};

}  // namespace detail

/// Options of a buffered_writer.
struct buffered_writer_options {
    /// Bytes that may be buffered; an empty writer takes one write of any size.
    std::size_t capacity = 65536;
};
static_assert(std::is_trivially_destructible_v<buffered_writer_options>);  // see reactor_options

/// Copies what is written into a buffer, and sends it when the task awaits something else: what a task writes
/// between two waits goes out in one system call. (It is an outbox that begins to write when its reactor's
/// ready queue gets there, and that waits when it is full.) A task that computes for long after a write
/// awaits flush() first.
///
/// While something is buffered the writer is the stream's: a stream::write that comes meanwhile gets
/// errc::busy, so that it cannot overtake; close and shutdown_write wait for it. Destroying the writer, and
/// then the stream, loses nothing: the rest is sent within the stream's close deadline, before the end of the
/// stream, or, when the stream was destroyed because of an error, is dropped with it.
///
/// An error is kept: when the stream fails, what is buffered is dropped, and each write and flush from then
/// on throws that error, as stream::close does. A reader of the stream sees the failure too (see outbox).
/// Thread: the stream's reactor's. The stream must outlive the writer.
class buffered_writer {
  public:
    /// Throws std::bad_alloc, and std::system_error (EBADF) when `to` is empty.
    explicit buffered_writer(stream& to, buffered_writer_options options = {});
    // What no other constructor takes.
    template <class Here = decltype([] {}), bool fits = false>
    explicit buffered_writer(detail::anything = {}, detail::anything = {}) {
        static_assert(fits,
                      "buffered_writer(stream, options) refers to a stream that has a name and outlives it, "
                      "and is not const: auto peer = co_await bight::connect(where); bight::buffered_writer "
                      "out(peer, {.capacity = 4096})");
    }
    buffered_writer(const buffered_writer&) = delete;  // give it up, std::move(out), or pass a reference
    buffered_writer(buffered_writer&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    buffered_writer& operator=(buffered_writer&&) = delete;
    ~buffered_writer();

    /// Buffers every byte of every piece (text, bytes or a chunk), in order, as one whole. Completes at once
    /// if they fit, as an ordinary call: no checkpoint. Otherwise it waits for room, which gives
    /// back-pressure, first come, first served; the pieces must live until then. Throws std::system_error:
    /// the error with which the stream has failed, errc::closed when its end has begun (close,
    /// shutdown_write), ENOMEM, errc::wrong_thread. A cancelled write has buffered nothing.
    template <class... Pieces>
        requires(sizeof...(Pieces) > 0 && (std::is_convertible_v<const Pieces&, const_buffer> && ...))
    detail::gathered_write<sizeof...(Pieces)> write(const Pieces&... pieces) noexcept {
        return detail::gathered_write<sizeof...(Pieces)>(state(), pieces...);
    }
    template <class... Pieces>
        requires(sizeof...(Pieces) == 0 || !(std::is_convertible_v<const Pieces&, const_buffer> && ...))
    auto write(Pieces&&...) {
        constexpr bool bytes =
            sizeof...(Pieces) > 0 && (std::is_convertible_v<const Pieces&, const_buffer> && ...);
        static_assert(bytes,
                      "write takes text, bytes and chunks: a number as std::to_string(n), an optional as "
                      "*line, one character c as std::string(1, c), other objects as "
                      "bight::const_buffer(&object, sizeof object)");
        return detail::refused_operation();
    }
    /// Waits until the transport has taken everything. Throws the error with which the stream has failed.
    /// Cancelling it changes nothing: the bytes are still sent.
    detail::outbox_waiter flush() noexcept;

    /// Bytes that the transport has not yet taken.
    std::size_t buffered() const noexcept;

  private:
    detail::outbox_state& state() const noexcept;
    detail::outbox_state* state_;
};

}  // namespace bight
