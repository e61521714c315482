// concurrent_channel: a bounded queue between threads and reactors.
#pragma once

#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/thread/detail/blocking.hpp>
#include <bight/thread/detail/concurrent_channel.hpp>
#include <bight/thread/detail/concurrent_channel_core.hpp>
#include <bight/thread/detail/parker.hpp>
#include <bight/thread/detail/remote_call.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// A bounded queue of values between any number of senders and receivers, each a task of some reactor or a
/// plain thread. Each value goes to one receiver. A send waits while the channel is full, a receive while it
/// is empty; waiting tasks and threads are served first in, first out. The values of one sender arrive in the
/// order in which it sent them.
///
/// An object of this class is a handle; copies refer to the same channel. Give each thread its own copy. Any
/// number of tasks and threads may use one copy, but it must outlive their operations. When the last copy is
/// destroyed, the channel closes.
///
/// Values are moved, and moving must not throw: wrap other types in a std::unique_ptr. Their move
/// constructors and destructors may use the channel, but must not wait for it. Nothing is allocated per
/// value. The fast path takes no lock (a queue after Vyukov, see mpmc_queue.hpp).
///
/// A cancelled task leaves the queue; the value of a cancelled send is destroyed with its await (the channel
/// of a single reactor avoids this with channel::reserve). A task that was served at the same moment goes on
/// with the result (success beats cancellation), so no value is lost. A virtual clock does not wait for other
/// threads: hold an outside_work while one of them will send.
template <class T>
class concurrent_channel {
  public:
    using value_type = T;

    /// A capacity of 0 counts as 1. Throws std::bad_alloc.
    explicit concurrent_channel(std::size_t capacity)
        : state_(new detail::concurrent_channel_state<T>(capacity)) {}
    concurrent_channel(const concurrent_channel& other) noexcept : state_(other.state_) {
        state_->add_handle();
    }
    concurrent_channel& operator=(concurrent_channel other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~concurrent_channel() { state_->drop_handle(); }

    /// `co_await c.send(value)` waits for room. Throws std::system_error (errc::closed), and drops the value,
    /// when the channel is closed, before or meanwhile.
    detail::cross_send_awaiter<T> send(T value) noexcept {
        return detail::cross_send_awaiter<T>(*state_, std::move(value));
    }
    /// `co_await c.receive()` waits for a value. Gives std::nullopt when the channel is closed and empty:
    /// `while (auto v = co_await c.receive())`.
    detail::cross_receive_awaiter<T> receive() noexcept { return detail::cross_receive_awaiter<T>(*state_); }

    /// The same for plain threads, which are blocked meanwhile. Throws errc::wrong_thread on a thread where a
    /// reactor runs.
    void send_blocking(T value) {
        detail::refuse_on_reactor("concurrent_channel::send_blocking", "co_await send() in a task");
        detail::sleeping_thread<T> here(std::move(value));
        if (!state_->send(here)) here.sleep();
        if (here.closed) detail::throw_concurrent_channel_closed();
    }
    std::optional<T> receive_blocking() {
        detail::refuse_on_reactor("concurrent_channel::receive_blocking", "co_await receive() in a task");
        detail::sleeping_thread<T> here;
        if (!state_->receive(here)) here.sleep();
        return std::move(here.value);
    }

    /// Sends without waiting, on any thread. False when the channel is full or closed, or others wait for
    /// room already; `value` is moved from only if this returns true.
    // NOLINTNEXTLINE(cppcoreguidelines-rvalue-reference-param-not-moved): moved if there is room.
    bool try_send(T&& value) noexcept {
        return state_->try_send(value) == detail::concurrent_channel_state<T>::outcome::done;
    }
    bool try_send(const T& value)
        requires std::is_copy_constructible_v<T>
    {
        T copy(value);
        return try_send(std::move(copy));
    }
    /// Receives without waiting, on any thread. std::nullopt when the channel is empty, or others wait for
    /// values already.
    std::optional<T> try_receive() noexcept {
        std::optional<T> value;
        state_->try_receive(value);
        return value;
    }

    /// Ends sending: all sends fail from now on, including those that wait; the values in it can still be
    /// received. Idempotent. Thread: any.
    void close() noexcept { state_->close(); }
    bool closed() const noexcept { return state_->closed(); }

    std::size_t capacity() const noexcept { return state_->capacity(); }
    /// How many values are in it; other threads may change that at any moment.
    std::size_t size() const noexcept { return state_->size(); }

  private:
    detail::concurrent_channel_state<T>* state_;
};

}  // namespace bight
