// broadcast_channel<T>: every receiver gets every value; a slow receiver loses values instead of blocking
// others.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/result.hpp>
#include <bight/sync/detail/publication.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// A value from a broadcast_receiver, and how many were lost before it. Empty at the end.
template <class T>
class broadcast_value {
  public:
    using value_type = T;

    broadcast_value() noexcept = default;
    template <class U>
    broadcast_value(std::in_place_t, std::uint64_t missed, U&& value)
        : value_(std::in_place, std::forward<U>(value)), missed_(missed) {}

    bool has_value() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return value_.has_value(); }
    /// Only when there is a value.
    T& operator*() & noexcept { return *value_; }
    const T& operator*() const& noexcept { return *value_; }
    T&& operator*() && noexcept { return std::move(*value_); }
    T* operator->() noexcept { return value_.operator->(); }
    const T* operator->() const noexcept { return value_.operator->(); }
    /// How many values were lost between the previous one and this, because the receiver was too slow.
    std::uint64_t missed() const noexcept { return missed_; }

  private:
    std::optional<T> value_;
    std::uint64_t missed_ = 0;
};

namespace detail {

/// Throws std::invalid_argument unless `capacity` is from 1 to 2^31.
std::size_t checked_ring_capacity(std::size_t capacity);

/// The last `capacity` values, each with the number of receivers that have not seen it. A value is dropped
/// when that number reaches zero.
///
/// Constructors and destructors of T are user code, which may send and receive here, and destroy receivers.
/// So each value has its own node: it is constructed before its node enters the ring, and destroyed after the
/// node has left it, with the counts up to date both times.
template <class T>
class broadcast_ring final : public publication, public pooled {
  public:
    // There is one node more than `capacity`, so that a new value can be made before the oldest is dropped.
    explicit broadcast_ring(std::size_t capacity)
        : publication("a broadcast channel"),
          capacity_(checked_ring_capacity(capacity)),
          mask_(std::bit_ceil(capacity_ + 1) - 1),
          nodes_(std::make_unique<node[]>(capacity_ + 1)),
          slots_(std::make_unique<node*[]>(mask_ + 1)) {
        for (std::size_t i = capacity_ + 1; i > 0; --i) give_back(&nodes_[i - 1]);
    }
    ~broadcast_ring() {
        for (std::uint64_t i = 0; i <= mask_; ++i) {
            if (slots_[i]) drop(std::exchange(slots_[i], nullptr));
        }
    }

    std::size_t capacity() const noexcept { return capacity_; }
    std::size_t receivers() const noexcept { return receivers_; }
    void join() noexcept { ++receivers_; }

    /// A value counts the receivers that exist when it is sent, so a receiver that leaves decrements the
    /// counts of all values that it has not seen, except those sent by destructors in here.
    void leave(std::uint64_t seen) noexcept {
        --receivers_;
        const std::uint64_t end = published();
        for (std::uint64_t at = later_of(seen, oldest()); at < end; at = later_of(at + 1, oldest())) saw(at);
    }

    /// Sends `value`, and sets the number of receivers that it is for. False when the channel was closed
    /// meanwhile.
    template <class U>
    bool send(U&& value, std::size_t& for_how_many) {
        node* const made = make(std::forward<U>(value));
        for_how_many = receivers_;
        if (closed() || receivers_ == 0) {
            drop(made);
            return !closed();
        }
        made->unseen = receivers_;
        node* const oldest = published() >= capacity_ ? take_out(published() - capacity_) : nullptr;
        at(published()) = made;
        publish();
        if (oldest) drop(oldest);
        return true;
    }

    /// The next value for `by`, which counts as seen then. Empty when there is none.
    broadcast_value<T> take(subscriber& by) {
        const std::uint64_t seen = by.seen();
        const std::uint64_t from = later_of(seen, oldest());
        if (from == published()) return {};
        if constexpr (std::is_nothrow_move_constructible_v<T>) {
            if (at(from)->unseen == 1) {
                const node_reference last(*this, take_out(from));
                by.see(from + 1);
                return broadcast_value<T>(std::in_place, from - seen, std::move(last->value));
            }
        }
        return copied(by, seen, from);
    }

  private:
    struct node {
        node() noexcept {}
        ~node() {}
        node* next = nullptr;    // the next free node
        std::size_t unseen = 0;  // how many receivers have not seen it
        std::size_t users = 0;   // its place in the ring, and copies of it in progress
        union {
            T value;
        };
    };

    /// Counts as one user of a node.
    class node_reference {
      public:
        node_reference(broadcast_ring& ring, node* n) noexcept : ring_(ring), node_(n) {}
        node_reference(const node_reference&) = delete;
        node_reference& operator=(const node_reference&) = delete;
        ~node_reference() { ring_.drop(node_); }
        node* operator->() const noexcept { return node_; }

      private:
        broadcast_ring& ring_;
        node* node_;
    };

    std::uint64_t oldest() const noexcept { return published() > capacity_ ? published() - capacity_ : 0; }
    static std::uint64_t later_of(std::uint64_t a, std::uint64_t b) noexcept { return a > b ? a : b; }
    node*& at(std::uint64_t position) const noexcept { return slots_[position & mask_]; }
    node* take_out(std::uint64_t position) noexcept { return std::exchange(at(position), nullptr); }
    void saw(std::uint64_t position) noexcept {
        if (--at(position)->unseen == 0) drop(take_out(position));
    }

    // When the copy throws, nothing counts as seen. The copy is made in the caller's object: with a single
    // return statement, g++ makes no second one.
    broadcast_value<T> copied(subscriber& by, std::uint64_t seen, std::uint64_t from) {
        ++at(from)->users;
        const node_reference here(*this, at(from));
        broadcast_value<T> got(std::in_place, from - seen, std::as_const(here->value));
        if (by.seen() == seen) {
            by.see(from + 1);
            if (from >= oldest()) saw(from);
        }
        return got;
    }

    template <class U>
    node* make(U&& value) {
        node* const made = free_ ? std::exchange(free_, free_->next) : new node;
        try {
            ::new (static_cast<void*>(__builtin_addressof(made->value))) T(std::forward<U>(value));
        } catch (...) {
            give_back(made);
            throw;
        }
        made->users = 1;
        return made;
    }
    void drop(node* n) noexcept {
        if (--n->users > 0) return;
        n->value.~T();
        give_back(n);
    }
    // Nodes outside the array were allocated while destructors kept all others in use.
    void give_back(node* n) noexcept {
        const std::less<const node*> before;
        if (before(n, nodes_.get()) || !before(n, nodes_.get() + capacity_ + 1)) {
            delete n;
        } else {
            n->next = free_;
            free_ = n;
        }
    }

    std::size_t capacity_;
    std::uint64_t mask_;
    std::unique_ptr<node[]> nodes_;
    std::unique_ptr<node*[]> slots_;
    node* free_ = nullptr;
    std::size_t receivers_ = 0;
};

template <class T>
class broadcast_awaiter;

}  // namespace detail

/// A subscription to a broadcast_channel: it gets every value that is sent while it lives. Destroying it
/// unsubscribes. It may outlive its channel, and may be moved while no task waits in it; destroying or moving
/// one in which a task waits aborts, with a message that names the task's line. Thread: the channel's.
template <class T>
class broadcast_receiver {
  public:
    using value_type = T;

    broadcast_receiver(broadcast_receiver&&) noexcept = default;
    broadcast_receiver& operator=(broadcast_receiver&& other) noexcept {
        broadcast_receiver old(std::move(other));
        place_.swap(old.place_);
        std::swap(ring_, old.ring_);
        return *this;
    }
    ~broadcast_receiver() {
        if (!ring_) return;
        ring_->check_home_at_end();
        ring_->leave(place_.seen());
    }

    /// `co_await r.receive()` gives the next value as a broadcast_value<T>; empty when the channel is closed
    /// and everything has been received. A receiver that has fallen behind by more than the channel's
    /// capacity loses values: it goes on with the oldest that is kept, and missed() says how many were lost.
    /// Each receiver gets a copy; the last one gets the value itself, moved. Throws what copying a T throws,
    /// and then has received nothing; std::system_error with errc::busy when another task waits in this
    /// receiver. A cancelled receive has taken nothing. `as_result(r.receive())` gives a
    /// result<broadcast_value<T>>, with errc::closed at the end.
    detail::broadcast_awaiter<T> receive() noexcept { return detail::broadcast_awaiter<T>(*this); }

    /// The next value, or empty when there is none at present, or another task waits in this receiver.
    broadcast_value<T> try_receive() {
        ring_->check_home();
        return place_.in_use() ? broadcast_value<T>() : take();
    }

    /// The number of values that this receiver has not received, including those it has missed.
    std::uint64_t pending() const noexcept { return ring_->published() - place_.seen(); }
    bool closed() const noexcept { return ring_->closed(); }

  private:
    template <class>
    friend class broadcast_channel;
    friend class detail::broadcast_awaiter<T>;
    explicit broadcast_receiver(const detail::publication_reference<detail::broadcast_ring<T>>& ring) noexcept
        : ring_(ring), place_(*ring) {
        ring_->join();
    }
    broadcast_value<T> take() {
        const auto ring = ring_;  // destructors of values may destroy this receiver
        return ring->take(place_);
    }

    detail::publication_reference<detail::broadcast_ring<T>> ring_;
    detail::subscriber place_;
};

namespace detail {

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] broadcast_awaiter final : public subscription_waiter {
  public:
    explicit broadcast_awaiter(broadcast_receiver<T>& by) noexcept
        : subscription_waiter(by.place_), by_(&by) {}
    broadcast_awaiter(broadcast_awaiter&&) noexcept = default;
    ~broadcast_awaiter() = default;

    broadcast_value<T> await_resume() {
        const std::error_code error = finish();
        if (error == errc::busy) throw std::system_error(error);
        return by_->take();
    }
    result<broadcast_value<T>> take_result() {
        const std::error_code error = finish();
        if (error) return error;
        return result<broadcast_value<T>>(std::in_place, [this] { return by_->take(); });
    }

  private:
    broadcast_receiver<T>* by_;
};

}  // namespace detail

/// Sends each value to all current receivers. Sending never waits: the last `capacity` values are kept for
/// receivers that are behind; a receiver that is further behind loses the oldest, and is told how many
/// (broadcast_value::missed). A value is dropped as soon as every receiver has it.
///
///     auto news = channel.subscribe();
///     while (auto line = co_await news.receive()) { if (line.missed()) …; print(*line); }
///
/// Destroying the channel closes it: receivers get the values that are left, then the end. Memory is
/// allocated only by the constructor. Constructors and destructors of T may use the channel and its
/// receivers; a value that they send may be allocated separately. Thread: one reactor's. When no task uses
/// them any more, channel and receivers may be destroyed on another thread on which no reactor runs.
template <class T>
class broadcast_channel {
    static_assert(std::is_object_v<T> && !std::is_const_v<T> && std::is_copy_constructible_v<T>,
                  "each receiver gets a copy; for what cannot be copied, send a std::shared_ptr<const T>");

  public:
    using value_type = T;
    using receiver = broadcast_receiver<T>;

    /// Throws std::invalid_argument unless `capacity` is from 1 to 2^31, and std::bad_alloc.
    explicit broadcast_channel(std::size_t capacity) : ring_(new detail::broadcast_ring<T>(capacity)) {}
    broadcast_channel(const broadcast_channel&) = delete;
    broadcast_channel& operator=(const broadcast_channel&) = delete;
    ~broadcast_channel() { ring_->source_gone(); }

    /// A receiver for the values that are sent from now on.
    receiver subscribe() noexcept {
        ring_->check_home();
        return receiver(ring_);
    }

    /// Returns the number of receivers that will get the value, or miss it if they fall too far behind.
    /// Waiting tasks go on in the next turn. Throws std::system_error with errc::closed after close(), and
    /// what T's constructor throws; then nothing was sent.
    template <class U = T>
        requires std::constructible_from<T, U&&>
    std::size_t send(U&& value) {
        std::size_t receivers = 0;
        if (!send_to(std::forward<U>(value), receivers)) {
            detail::publication::fail_closed("a broadcast channel");
        }
        return receivers;
    }

    /// The same, but returns false, with `value` unchanged, when the channel is closed.
    template <class U = T>
        requires std::constructible_from<T, U&&>
    bool try_send(U&& value) {
        std::size_t receivers = 0;
        return send_to(std::forward<U>(value), receivers);
    }

    /// Ends sending: receivers get the values that are left, then the end. Closing twice does nothing.
    void close() noexcept { ring_->close(); }
    bool closed() const noexcept { return ring_->closed(); }
    std::size_t capacity() const noexcept { return ring_->capacity(); }
    std::size_t receivers() const noexcept { return ring_->receivers(); }

  private:
    template <class U>
    bool send_to(U&& value, std::size_t& receivers) {
        const auto ring = ring_;  // destructors of values may destroy this channel
        ring->check_home();
        if (ring->closed()) return false;
        return ring->receivers() == 0 || ring->send(std::forward<U>(value), receivers);
    }

    detail::publication_reference<detail::broadcast_ring<T>> ring_;
};

}  // namespace bight
