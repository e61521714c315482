// Implementation of bight/io/transport.hpp.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/error.hpp>
#include <bight/core/export.hpp>
#include <bight/core/result.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/chunk.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

namespace BIGHT_EXPORT bight {

class transport;
class address;

namespace detail {

class activity_watch;
class closer;
class end_awaiter;
class kernel_write;
class pipe_read;

/// What a buffered_reader or a line_reader over a stream does with it.
enum class look_ahead : std::uint8_t {
    none,
    reads,  ///< a task waits in it
    holds,  ///< it has bytes that come before those that a read of the stream would get
};

/// A task, an outbox or a closer that waits for a transport: the transport answers exactly once.
class transport_request : public waiter {
  public:
    transport_request(transport_request&&) noexcept = default;

    /// The transport's answer: the request has been carried out, or `error` says why not. The waiting task
    /// goes on in the next turn.
    void complete(std::error_code error) noexcept;
    /// The same, with the outcome of set_error, for a transport that is itself called from the ready queue:
    /// the waiting task goes on inside this call, and the request is gone when it returns.
    void complete_now() noexcept;
    /// The answer to `transport::cancel_read` or `cancel_write` when not everything was done.
    void complete_cancelled() noexcept;

    bool failed() const noexcept { return category_ != nullptr; }
    std::error_code error() const noexcept {
        return failed() ? std::error_code(value_, *category_) : std::error_code();
    }
    void set_error(std::error_code error) noexcept {
        value_ = error.value();
        category_ = error ? &error.category() : nullptr;
    }
    void clear_error() noexcept { category_ = nullptr; }

  protected:
    /// `to` is null for an empty handle; may_begin reports that.
    explicit transport_request(transport* to) noexcept : transport_(to) {}  // NOLINT(*-member-init)
    ~transport_request() = default;
    transport& to() const noexcept { return *transport_; }
    const transport* transport_if_any() const noexcept { return transport_; }
    /// Whether there is a transport, and it belongs to this reactor.
    bool may_begin(const reactor& here) const noexcept;
    /// Sets the error that says why it may not.
    void set_refusal() noexcept;
    /// The transport no longer owns the request.
    virtual void settled() noexcept = 0;
    /// Resumes the waiting task inside this call.
    void go_on() noexcept;

  private:
    transport* transport_;
    // A std::error_code in two members: clearing it sets only the category to null.
    const std::error_category* category_ = nullptr;
    int value_;
};

}  // namespace detail

}  // namespace bight
