// channel_place<T>: a reserved place in a channel.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/result.hpp>
#include <bight/sync/detail/block_ring.hpp>
#include <bight/sync/detail/channel_base.hpp>

#include <concepts>
#include <coroutine>
#include <system_error>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

template <class T>
class place_awaiter;

/// Throws std::logic_error: the place has been used already.
[[noreturn]] void throw_place_used();

}  // namespace detail

/// Room for one value, reserved by channel::reserve. When it is destroyed unused, the place returns to the
/// channel. Moving it moves the place. The channel must outlive it: destroying a channel with a reserved
/// place ends the process with a message. Thread: the channel's.
template <class T>
class [[nodiscard("the place goes back when this is destroyed: give it a name")]] channel_place {
    using passing = detail::channel_base<T, detail::block_ring<T>>;

  public:
    channel_place(channel_place&& other) noexcept : in_(std::exchange(other.in_, nullptr)) {}
    channel_place& operator=(channel_place&& other) noexcept {
        channel_place taken(std::move(other));
        std::swap(in_, taken.in_);
        return *this;
    }
    ~channel_place() { release(); }

    /// Sends without waiting: to the task that has waited longest to receive, or to the end of the buffer.
    /// The value arrives even when the channel has been closed since. This uses up the place, unless T's
    /// constructor throws or std::bad_alloc is thrown. Throws std::logic_error when the place was used,
    /// released or moved away before.
    template <class U = T>
        requires std::constructible_from<T, U&&>
    void send(U&& value) {
        if (!in_) detail::throw_place_used();
        passing* const in = std::exchange(in_, nullptr);
        try {
            in->fill(std::forward<U>(value));
        } catch (...) {
            in_ = in;
            throw;
        }
    }

    /// Returns the place now, if it is still held: to the first task that waits to send.
    void release() noexcept {
        if (in_) std::exchange(in_, nullptr)->give_back();
    }

    /// Whether it still holds a place.
    explicit operator bool() const noexcept { return in_ != nullptr; }

  private:
    template <class>
    friend class channel;
    friend class detail::place_awaiter<T>;
    explicit channel_place(passing& in) noexcept : in_(&in) {}
    passing* in_;
};

namespace detail {

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] place_awaiter final
    : public room_waiter<T, block_ring<T>>,
      public awaiter_base<place_awaiter<T>> {
  public:
    explicit place_awaiter(channel_base<T, block_ring<T>>& in) noexcept : room_waiter<T, block_ring<T>>(in) {}
    place_awaiter(place_awaiter&&) noexcept = default;
    ~place_awaiter() = default;

    channel_place<T> await_resume() {
        if (this->closed_) throw_closed(block_ring<T>::name);
        return channel_place<T>(*this->to_);
    }
    result<channel_place<T>> take_result() noexcept {
        if (this->closed_) return make_error_code(errc::closed);
        return channel_place<T>(*this->to_);
    }

  private:
    friend awaiter_base<place_awaiter>;
    bool suspend(promise_base& p) noexcept {
        return this->wait_for_room(p, [this]() noexcept { return this->to_->try_keep(); });
    }
};

}  // namespace detail

}  // namespace bight
