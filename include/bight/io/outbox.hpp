// outbox: a bounded send queue in front of a stream.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/result.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/payload.hpp>
#include <bight/io/stream.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// What send() does when an outbox is full.
enum class overflow_policy : std::uint8_t {
    wait,         ///< send() queues nothing and gives false; `co_await push()` waits for room
    drop_newest,  ///< the new message is dropped
    drop_oldest,  ///< drops the oldest messages not yet being sent; the new one if it still does not fit
    disconnect,   ///< the stream is aborted with errc::backlog_exceeded: its reader gets that error
};

/// Options of an outbox.
struct outbox_options {
    /// Bytes that may be queued; one message is always accepted by an empty outbox.
    std::size_t capacity = 262144;
    overflow_policy when_full = overflow_policy::disconnect;
};
static_assert(std::is_trivially_destructible_v<outbox_options>);  // see reactor_options

namespace detail {

class outbox_state;

/// What awaits room in an outbox or a buffered_writer, or that it is empty.
class [[nodiscard("co_await it"), gnu::warn_unused]] outbox_wait : public waiter,
                                                                   public list_hook<outbox_wait> {
  public:
    void await_resume() const {
        if (error_) throw_failed();
    }
    result<void> take_result() const noexcept { return error_; }
    void cancel() noexcept override;
    void describe(std::string& out) const override;

  protected:
    outbox_wait(outbox_state& on, payload&& message, bool wants_empty) noexcept
        : on_(&on), message_(std::move(message)), wants_empty_(wants_empty) {}
    outbox_wait(outbox_wait&& other) noexcept
        : waiter(std::move(other)),
          list_hook(),
          on_(other.on_),
          message_(std::move(other.message_)),
          pieces_(other.pieces_),
          wants_empty_(other.wants_empty_) {}
    ~outbox_wait() {
        if (kept_) kept_->release();
    }
    bool suspend(promise_base& p) noexcept;
    /// For the bytes of these pieces instead of a message.
    bool suspend(promise_base& p, std::span<const const_buffer> pieces) noexcept;

  private:
    friend class outbox_state;
    [[noreturn]] void throw_failed() const;
    void queue_now() noexcept;
    /// The outbox may be destroyed before the task goes on: for the message of an error.
    void keep_transport() noexcept;
    std::size_t size() const noexcept;
    outbox_state* on_;
    payload message_;
    std::span<const const_buffer> pieces_;
    std::error_code error_;
    transport* kept_ = nullptr;
    bool wants_empty_;
};

class [[nodiscard("co_await it"), gnu::warn_unused]] outbox_waiter final
    : public outbox_wait,
      public awaiter_base<outbox_waiter> {
  public:
    outbox_waiter(outbox_state& on, payload&& message, bool wants_empty) noexcept
        : outbox_wait(on, std::move(message), wants_empty) {}

  private:
    friend awaiter_base<outbox_waiter>;
};

}  // namespace detail

/// A bounded queue of payloads that are written to a stream: senders do not wait for the peer, and a peer
/// that does not read costs at most `capacity` bytes. Messages go out whole and in order; messages queued
/// together are gathered into one system call. While an outbox has something to send it is the stream's
/// writer: it waits for a pending write first, and a stream::write that comes meanwhile gets errc::busy.
///
/// Destroying the outbox, and then the stream, loses no messages: the queue is sent within the stream's close
/// deadline, before the end of the stream. Any number of outboxes may share a stream: they take turns. When
/// the stream fails, the queue is dropped, and send() returns false from then on. The reader of the stream
/// sees the failure (an error that a read would not show, such as ENOBUFS, aborts the stream). Thread: the
/// reactor's. The stream must outlive it.
class outbox {
  public:
    /// Throws std::bad_alloc, and std::system_error (EBADF) when `to` is empty.
    explicit outbox(stream& to, outbox_options options = {});
    // What no other constructor takes.
    template <class Here = decltype([] {}), bool fits = false>
    explicit outbox(detail::anything = {}, detail::anything = {}) {
        static_assert(fits,
                      "outbox(stream, options) refers to a stream that has a name and outlives it, and is "
                      "not const: auto peer = co_await bight::connect(where); bight::outbox out(peer, "
                      "{.capacity = 65536})");
    }
    outbox(const outbox&) = delete;  // give it up, std::move(out), or pass a reference
    outbox(outbox&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    outbox& operator=(outbox&&) = delete;
    ~outbox();

    /// Queues `message`, and starts writing. True when it was queued. When it does not fit, the policy
    /// decides. Once the end of the stream has begun (close, shutdown_write) the message is dropped. Throws
    /// std::bad_alloc.
    bool send(payload message);
    /// Waits until `message` fits, and queues it: first come, first served, and before a later send(). Throws
    /// std::system_error when the stream fails first, and errc::closed when the end of the stream (close,
    /// shutdown_write) began before the call; messages that were waiting by then are still sent. A cancelled
    /// push has queued nothing.
    detail::outbox_waiter push(payload message) noexcept;
    /// Waits until the transport has taken everything.
    detail::outbox_waiter flush() noexcept;

    /// Bytes queued, including those that the transport is sending.
    std::size_t queued() const noexcept;
    /// Messages dropped, by policy or because the stream failed.
    std::uint64_t dropped() const noexcept;

  private:
    detail::outbox_state& state() const noexcept;
    detail::outbox_state* state_;
};

}  // namespace bight
