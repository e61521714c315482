// basic_channel<T, Store>: the common base of channel and priority_queue.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/sync/detail/channel_base.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Unlimited capacity, for channel and priority_queue.
inline constexpr std::size_t unbounded = static_cast<std::size_t>(-1);

/// Any number of tasks send, any number receive; each value goes to one receiver. Values are kept in a
/// `Store` of at most `capacity` values until they are received, in the store's order. Waiting tasks, on
/// either side, are served in the order in which they came. Not to be used by itself: see channel, which is
/// first in, first out, and priority_queue, where sending and receiving are called push and pop.
///
/// A cancelled task leaves the queue: a cancelled send has not delivered its value, a cancelled receive has
/// not taken one. A task that has been served can no longer be cancelled in that await, so no value is lost;
/// it goes on in the next turn, never inside the other side's call.
///
/// When moving a value in throws, send throws, and nothing was sent; when moving it out throws, receive
/// throws, and that value is lost. Destructors of T may use the channel. So may its constructors, except for
/// sending: a send while a value is being constructed in the channel fails with errc::busy.
///
/// It must outlive the tasks that use it: destroying one in which a task waits aborts, with a message that
/// names the task's line. Tasks that close() has woken are no longer waiting. Memory grows with the number of
/// values kept, and is reused: in the steady state nothing is allocated. Thread: one reactor's; for several
/// threads see concurrent_channel.
template <class T, class Store>
class basic_channel {
  public:
    using value_type = T;

    /// Ends sending: tasks that wait to send, and all later sends, get errc::closed; receivers get the values
    /// that are left, then the end. Closing twice does nothing.
    void close() noexcept { passing_.close(); }
    bool closed() const noexcept { return passing_.closed(); }

    /// The number of values in the store, without those of tasks that wait to send.
    std::size_t size() const noexcept { return passing_.size(); }
    bool empty() const noexcept { return passing_.size() == 0; }
    std::size_t capacity() const noexcept { return passing_.capacity(); }

  protected:
    using send_awaiter = detail::send_awaiter<T, Store>;
    using receive_awaiter = detail::receive_awaiter<T, Store>;

    template <class... As>
    explicit basic_channel(std::size_t capacity, As&&... for_store)
        : passing_(capacity, std::forward<As>(for_store)...) {}
    ~basic_channel() = default;

    /// `co_await c.send(value)` waits until a receiver, or the store, has taken the value. Throws
    /// std::system_error with errc::closed when the channel is closed, before or meanwhile, and
    /// std::bad_alloc. `as_result(c.send(value))` gives a result<void> instead of errc::closed.
    template <class U = T>
        requires std::constructible_from<T, U&&>
    send_awaiter send(U&& value) {
        return send_awaiter(passing_, std::forward<U>(value));
    }
    template <class U>
        requires(!std::constructible_from<T, U &&>)
    auto send(U&&) {
        static_assert(
            detail::never<U>,
            "a T of the channel is made of what is sent, and cannot be made of this: convert it, or "
            "give what moves only as std::move(x)");
        return detail::refused_operation();
    }

    /// Sends without waiting. False, with `value` unchanged, when the channel is full or closed, or another
    /// task waits to send. Throws std::bad_alloc.
    template <class U = T>
        requires std::constructible_from<T, U&&>
    bool try_send(U&& value) {
        return passing_.try_send(std::forward<U>(value));
    }

    /// `co_await c.receive()` waits for a value, and gives it as a std::optional<T>; empty when the channel
    /// is closed and all values have been received. `as_result(c.receive())` gives a result<T>, with
    /// errc::closed in that case.
    receive_awaiter receive() noexcept { return receive_awaiter(passing_); }

    /// The next value, or empty when there is none at present.
    std::optional<T> try_receive() { return passing_.try_receive(); }

    detail::channel_base<T, Store> passing_;
};

}  // namespace bight
