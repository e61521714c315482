// channel<T>: a first-in-first-out queue between tasks, with back-pressure.
#pragma once

#include <bight/core/export.hpp>
#include <bight/sync/basic_channel.hpp>
#include <bight/sync/channel_place.hpp>
#include <bight/sync/detail/block_ring.hpp>

#include <cstddef>
#include <optional>

namespace BIGHT_EXPORT bight {

namespace detail {

/// Throws std::logic_error when `capacity` is 0: there is no place to reserve.
void check_buffered(std::size_t capacity);

}  // namespace detail

/// Passes values between tasks, first in, first out. With a capacity of 0 a send waits until a task receives
/// (a rendezvous); otherwise it waits while `capacity` values are buffered; with `bight::unbounded` it never
/// waits. Everything else is as for every basic_channel.
///
///     while (auto job = co_await jobs.receive()) run(*job);   // until closed and empty
///
/// The value of a cancelled or failed send is destroyed with its await. If a value must not be lost, reserve
/// a place first, then send it without another await:
///
///     auto place = co_await jobs.reserve();   // here the task may be cancelled
///     place.send(std::move(next));            // this arrives
///
/// Destroying a channel with a reserved place aborts, as it does when a task waits in it. Values sent after
/// close() through places reserved before it arrive before the end.
template <class T>
class channel : public basic_channel<detail::sent<T>, detail::block_ring<detail::sent<T>>> {
    using base = basic_channel<detail::sent<T>, detail::block_ring<detail::sent<T>>>;
    static_assert(
        detail::can_be_sent<T>,
        "what is sent is an object that can be moved: send a std::unique_ptr to one that cannot, or a "
        "pointer to one that lasts; a channel that only gives signals is a bight::channel<bool>, or a "
        "bight::semaphore");

  public:
    using place = channel_place<T>;
    using typename base::receive_awaiter;
    using typename base::send_awaiter;

    explicit channel(std::size_t capacity = 0) noexcept : base(capacity) {}

    using base::receive;
    using base::send;
    using base::try_receive;
    using base::try_send;

    /// `co_await ch.reserve()` waits for room, in the same queue as senders, and gives a channel_place<T>,
    /// which holds the reserved place (not counted by size()). Throws std::system_error with errc::closed as
    /// send does; `as_result(ch.reserve())` gives a result. Throws std::logic_error, before anything is
    /// awaited, when the capacity is 0. A cancelled reserve has reserved nothing.
    [[nodiscard("co_await it")]] detail::place_awaiter<T> reserve() {
        detail::check_buffered(this->capacity());
        return detail::place_awaiter<T>(this->passing_);
    }

    /// A place, or empty when there is no room at present or the channel is closed. Throws like reserve when
    /// the capacity is 0.
    std::optional<place> try_reserve() {
        detail::check_buffered(this->capacity());
        if (!this->passing_.try_keep()) return std::nullopt;
        return place(this->passing_);
    }
};

}  // namespace bight
