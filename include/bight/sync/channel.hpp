// channel<T>: values from task to task, in order, with back-pressure.
#pragma once

#include <bight/core/export.hpp>
#include <bight/sync/channel_place.hpp>
#include <bight/sync/detail/block_ring.hpp>
#include <bight/sync/detail/channel_base.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

/// Throws std::logic_error when it is 0: there is no place to keep.
void check_buffered(std::size_t capacity);

}  // namespace detail

/// Any number of tasks send, any number receive; each value goes to one of them. First in, first out on both
/// sides: values are received in the order in which they were sent, and tasks that wait are served in the
/// order in which they came. With a capacity of 0 a send waits until a task receives (a rendezvous);
/// otherwise it waits while `capacity` values are buffered; with `bight::unbounded` it never waits.
///
///     while (auto job = co_await jobs.receive()) run(*job);   // until closed and empty
///
/// Cancelling a task that waits takes it out of its list: a cancelled send has not delivered its value, a
/// cancelled receive has not taken one. What was handed to a task reaches it: it cannot be cancelled there
/// any more. Whoever is served goes on in the next turn, never inside the other side's call.
///
/// The value of a cancelled send goes with its await, as it does when the send throws. One that must not be
/// lost waits for a place instead, and is sent once that is kept, without another await:
///
///     auto place = co_await jobs.reserve();   // here the task may be cancelled
///     place.send(std::move(next));            // this arrives
///
/// A move that throws on the way in comes out of the send, and nothing was sent; one on the way out comes out
/// of the receive, and that value is gone. Destructors of T may use the channel. Its constructors may do so,
/// but for sending: what they try to send while a value is being made in the channel gets errc::busy.
///
/// A channel must outlive the tasks that use it: destroying one in which a task waits aborts, with a message
/// that names the task's line, and so does destroying one in which a place is kept. Tasks that close() has
/// served are no longer waiting. Memory grows with what is buffered and is kept; in the steady state nothing
/// is allocated. Thread: one reactor's; see concurrent_channel for more.
template <class T>
class channel {
    using passing = detail::channel_base<T, detail::block_ring<T>>;

  public:
    using value_type = T;
    using send_awaiter = detail::send_awaiter<T, detail::block_ring<T>>;
    using receive_awaiter = detail::receive_awaiter<T, detail::block_ring<T>>;
    using place = channel_place<T>;

    explicit channel(std::size_t capacity = 0) noexcept : passing_(capacity) {}

    /// `co_await ch.send(value)` waits until a receiver, or the buffer, has taken the value. Throws
    /// std::system_error with errc::closed when the channel is closed, before or meanwhile, and
    /// std::bad_alloc. `as_result(ch.send(value))` gives a result<void> instead of errc::closed.
    template <class U = T>
        requires std::constructible_from<T, U&&>
    send_awaiter send(U&& value) {
        return send_awaiter(passing_, std::forward<U>(value));
    }

    /// Sends without waiting. False, leaving `value` as it was, when that would have to wait or the channel
    /// is closed. Never overtakes a task that waits to send. Throws std::bad_alloc.
    template <class U = T>
        requires std::constructible_from<T, U&&>
    bool try_send(U&& value) {
        return passing_.try_send(std::forward<U>(value));
    }

    /// `co_await ch.reserve()` waits for room, in line with those who send, and gives a channel_place<T>,
    /// which keeps it. Throws std::system_error with errc::closed as send does; `as_result(ch.reserve())`
    /// gives a result. Throws std::logic_error, before anything is awaited, when the capacity is 0.
    /// Cancelling keeps nothing.
    [[nodiscard("co_await it")]] detail::place_awaiter<T> reserve() {
        detail::check_buffered(passing_.capacity());
        return detail::place_awaiter<T>(passing_);
    }

    /// A place, or empty when there is no room now or the channel is closed. Throws as reserve for a capacity
    /// of 0.
    std::optional<place> try_reserve() {
        detail::check_buffered(passing_.capacity());
        if (!passing_.try_keep()) return std::nullopt;
        return place(passing_);
    }

    /// `co_await ch.receive()` waits for a value, and gives it as a std::optional<T>; empty when the channel
    /// is closed and all that was sent has been received. `as_result(ch.receive())` gives a result<T>, with
    /// errc::closed for that.
    receive_awaiter receive() noexcept { return receive_awaiter(passing_); }

    /// The next value, or empty when there is none now.
    std::optional<T> try_receive() { return passing_.try_receive(); }

    /// No more is sent: tasks that wait to send, and all later sends, get errc::closed; receivers get what is
    /// buffered, and what is sent through places that are kept by then, then the end. Closing twice does
    /// nothing.
    void close() noexcept { passing_.close(); }
    bool closed() const noexcept { return passing_.closed(); }

    /// Values buffered: those of tasks that wait to send are not among them, nor places that are kept.
    std::size_t size() const noexcept { return passing_.size(); }
    bool empty() const noexcept { return passing_.size() == 0; }
    std::size_t capacity() const noexcept { return passing_.capacity(); }

  private:
    passing passing_;
};

}  // namespace bight
