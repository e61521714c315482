// basic_channel<T, Store>: what channel and priority_queue have in common.
#pragma once

#include <bight/core/export.hpp>
#include <bight/sync/detail/channel_base.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <utility>

namespace BIGHT_EXPORT bight {

/// A capacity without a bound, for channel and priority_queue.
inline constexpr std::size_t unbounded = static_cast<std::size_t>(-1);

/// Any number of tasks send, any number receive; each value goes to one of them. What is sent is kept in a
/// `Store` of at most `capacity` values until it is received, in the store's order; the tasks that wait, on
/// either side, are served in the order in which they came. It is no class to be used by itself: see channel,
/// which is first in, first out, and priority_queue, where sending and receiving are called push and pop.
///
/// Cancelling a task that waits takes it out of its list: a cancelled send has not delivered its value, a
/// cancelled receive has not taken one. What was handed to a task reaches it: it cannot be cancelled there
/// any more. Whoever is served goes on in the next turn, never inside the other side's call.
///
/// A move that throws on the way in comes out of the send, and nothing was sent; one on the way out comes out
/// of the receive, and that value is gone. Destructors of T may use the channel. Its constructors may do so,
/// but for sending: what they try to send while a value is being made in the channel gets errc::busy.
///
/// It must outlive the tasks that use it: destroying one in which a task waits aborts, with a message that
/// names the task's line. Tasks that close() has served are no longer waiting. Memory grows with what is
/// kept, and is kept; in the steady state nothing is allocated. Thread: one reactor's; see concurrent_channel
/// for more.
template <class T, class Store>
class basic_channel {
  public:
    using value_type = T;

    /// No more is sent: tasks that wait to send, and all later sends, get errc::closed; receivers get what is
    /// left, then the end. Closing twice does nothing.
    void close() noexcept { passing_.close(); }
    bool closed() const noexcept { return passing_.closed(); }

    /// Values in it: those of tasks that wait to send are not among them.
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
    /// std::system_error with errc::closed when it is closed, before or meanwhile, and std::bad_alloc.
    /// `as_result(c.send(value))` gives a result<void> instead of errc::closed.
    template <class U = T>
        requires std::constructible_from<T, U&&>
    send_awaiter send(U&& value) {
        return send_awaiter(passing_, std::forward<U>(value));
    }

    /// Sends without waiting. False, leaving `value` as it was, when that would have to wait or it is closed.
    /// Never overtakes a task that waits to send. Throws std::bad_alloc.
    template <class U = T>
        requires std::constructible_from<T, U&&>
    bool try_send(U&& value) {
        return passing_.try_send(std::forward<U>(value));
    }

    /// `co_await c.receive()` waits for a value, and gives it as a std::optional<T>; empty when it is closed
    /// and all that was sent has been received. `as_result(c.receive())` gives a result<T>, with errc::closed
    /// for that.
    receive_awaiter receive() noexcept { return receive_awaiter(passing_); }

    /// The next value, or empty when there is none now.
    std::optional<T> try_receive() { return passing_.try_receive(); }

    detail::channel_base<T, Store> passing_;
};

}  // namespace bight
