// concurrent_channel_core: the waiting and waking of a concurrent_channel.
#pragma once

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/export.hpp>
#include <bight/thread/detail/mpmc_queue.hpp>
#include <bight/thread/detail/thread_lock.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The atomics and the lock that production uses. See real_atomics.
struct real_threads : real_atomics {
    using lock = thread_lock;
};

/// A task or thread that waits to send `value`, or to receive it. Lives in the task's frame or on the
/// thread's stack.
template <class T>
class concurrent_waiter : public list_hook<concurrent_waiter<T>> {
  public:
    std::optional<T> value;
    bool closed = false;  // the wait ended because the channel was closed

    /// Called once, on any thread and without the lock, when the wait is over. This object may be gone when
    /// it returns.
    virtual void granted() noexcept = 0;

    /// Called on its own thread before it waits: from then on `granted` may be called.
    virtual void about_to_wait() noexcept {}

  protected:
    concurrent_waiter() noexcept = default;
    explicit concurrent_waiter(T&& v) noexcept : value(std::move(v)) {}
    ~concurrent_waiter() = default;

  private:
    template <class U, class Threads>
    friend class concurrent_channel_core;
    std::uint64_t position_ = 0;  // the position in the queue that it was granted
    bool listed_ = false;
};

/// A queue, a list of waiters for room, and a list of waiters for values, each first in, first out.
///
/// While nobody waits, a send is a push and a receive is a pop, and one fence and one load show that nobody
/// waits. A lock guards the lists; it is taken only to wait, or when somebody is found waiting.
///
/// No wake-up is lost, because both sides write first and look then, with a sequentially consistent fence
/// between (Dekker's pattern). A receiver that finds the queue empty notes in `attention_` that it waits,
/// fences, and looks at the queue again; a sender publishes its value, fences, and looks at `attention_`. The
/// thread whose fence comes second in their total order sees what the other has written. A sender that has
/// taken a position but not published it yet hides later values from the receiver, but it will look at
/// `attention_` after publishing. The same holds for senders that wait for room, and for closing. A receiver
/// that waits at a closed channel waits for a producer that has taken a position and not published it yet.
///
/// Under the lock, a waiting receiver is granted a full position of the queue, and a waiting sender a free
/// one. The position is its own, so nobody can overtake it between the grant and its use. Only `match` grants
/// positions. A waiter that has been taken out of its list can no longer withdraw, and uses its position.
/// Values are moved and destroyed without the lock, in `carry_out`, because their code may use the channel.
/// Moving a value may make other values visible, or free room, that somebody waits for; so `carry_out` looks
/// again after it.
template <class T, class Threads = real_threads>
class concurrent_channel_core {
  public:
    using node = concurrent_waiter<T>;
    enum class outcome : std::uint8_t { done, not_now, closed };

    explicit concurrent_channel_core(std::size_t capacity) : queue_(capacity) {}
    concurrent_channel_core(const concurrent_channel_core&) = delete;
    concurrent_channel_core& operator=(const concurrent_channel_core&) = delete;

    /// Moves `value` in if it returns `done`. `not_now`: the queue is full, or others wait for room already.
    outcome try_send(T& value) noexcept {
        if (attention_.load(std::memory_order_relaxed) & senders_wait) return outcome::not_now;
        switch (queue_.try_push(value)) {
            case queue::outcome::full: return outcome::not_now;
            case queue::outcome::closed: return outcome::closed;
            default: break;
        }
        Threads::fence();
        if (attention_.load(std::memory_order_relaxed) & receivers_wait) serve();
        return outcome::done;
    }

    /// `closed`: the channel is closed, and nothing is left. `not_now`: it is empty, or others wait for
    /// values already.
    outcome try_receive(std::optional<T>& value) noexcept {
        // Acquire: a thread that sees the closed bit also sees the queue's last position (see close).
        const unsigned before = attention_.load(std::memory_order_acquire);
        if (before & receivers_wait) return outcome::not_now;
        if (!queue_.try_pop([&](T&& v) { value.emplace(std::move(v)); })) {
            return (before & closed_bit) && queue_.drained() ? outcome::closed : outcome::not_now;
        }
        Threads::fence();
        if (attention_.load(std::memory_order_relaxed) & senders_wait) serve();
        return outcome::done;
    }

    /// Sends `*w.value`. False when it has to wait: `w.granted()` will be called unless it withdraws.
    bool send(node& w) noexcept {
        switch (try_send(*w.value)) {
            case outcome::done: return true;
            case outcome::closed: w.closed = true; return true;
            default: return !wait(senders_, w);
        }
    }
    /// The same for receiving into `w.value`.
    bool receive(node& w) noexcept {
        switch (try_receive(w.value)) {
            case outcome::done: return true;
            case outcome::closed: w.closed = true; return true;
            default: return !wait(receivers_, w);
        }
    }

    /// True when `w` was waiting, and no longer is. False when it has been served: granted() has been called,
    /// or is about to be.
    bool withdraw_sender(node& w) noexcept { return withdraw(senders_, w); }
    bool withdraw_receiver(node& w) noexcept { return withdraw(receivers_, w); }

    /// Ends sending: waiting senders end with `closed`; receivers get the values that are left, then
    /// `closed`.
    void close() noexcept {
        lock_.lock();
        queue_.close();
        // Release: see try_receive.
        attention_.store(attention_.load(std::memory_order_relaxed) | closed_bit, std::memory_order_release);
        Threads::fence();
        lock_.unlock();
        serve();
    }
    bool closed() const noexcept { return attention_.load(std::memory_order_relaxed) & closed_bit; }

    std::size_t size() const noexcept { return queue_.size(); }
    std::size_t capacity() const noexcept { return queue_.capacity(); }

  private:
    using queue = mpmc_queue<T, Threads>;

    using node_list = intrusive_list<node>;

    // True when it waits; false when it was served at once.
    bool wait(node_list& where, node& w) noexcept {
        w.about_to_wait();
        lock_.lock();
        where.push_back(w);
        w.listed_ = true;
        note_waiters();
        Threads::fence();
        node_list granted;
        match(granted);
        const bool waits = w.listed_;
        lock_.unlock();
        carry_out(granted, &w);
        return waits;
    }

    bool withdraw(node_list& from, node& w) noexcept {
        lock_.lock();
        const bool listed = w.listed_;
        if (listed) {
            from.remove(w);
            w.listed_ = false;
            note_waiters();
        }
        lock_.unlock();
        return listed;
    }

    void serve() noexcept {
        lock_.lock();
        node_list granted;
        match(granted);
        lock_.unlock();
        carry_out(granted, nullptr);
    }

    // Under the lock: grants positions of the queue to waiters while there are any, and moves those waiters
    // to `granted`.
    void match(node_list& granted) noexcept {
        const auto grant = [&](node_list& from, node& w) {
            from.remove(w);
            w.listed_ = false;
            granted.push_back(w);
        };
        while (node* const w = receivers_.front()) {
            if (!queue_.take_full(w->position_)) break;
            grant(receivers_, *w);
        }
        while (node* const w = senders_.front()) {
            const auto taken = queue_.take_free(w->position_);
            if (taken == queue::outcome::full) break;
            w->closed = taken == queue::outcome::closed;
            grant(senders_, *w);
        }
        if (closed() && queue_.drained()) {
            while (node* const w = receivers_.front()) {
                w->closed = true;
                grant(receivers_, *w);
            }
        }
        note_waiters();
    }

    // Without the lock: moves the values, then serves waiters for the values or the room that this made
    // available. `caller`, which may be in `granted`, is not called: it sees that it was served.
    void carry_out(node_list& granted, const node* caller) noexcept {
        while (!granted.empty()) {
            while (node* const w = granted.pop_front()) {
                if (!w->closed) move_value(*w);
                if (w != caller) w->granted();
            }
            Threads::fence();
            if ((attention_.load(std::memory_order_relaxed) & (receivers_wait | senders_wait)) == 0) return;
            lock_.lock();
            match(granted);
            lock_.unlock();
            caller = nullptr;
        }
    }

    void move_value(node& w) noexcept {
        if (w.value) {
            queue_.put(w.position_, std::move(*w.value));
        } else {
            queue_.get(w.position_, [&](T&& v) { w.value.emplace(std::move(v)); });
        }
    }

    // Under the lock, like every write of `attention_`.
    void note_waiters() noexcept {
        const unsigned now = attention_.load(std::memory_order_relaxed);
        const unsigned then = (now & closed_bit) | (senders_.empty() ? 0u : senders_wait) |
                              (receivers_.empty() ? 0u : receivers_wait);
        if (then != now) attention_.store(then, std::memory_order_release);  // the closed bit stays published
    }

    static constexpr unsigned receivers_wait = 1;
    static constexpr unsigned senders_wait = 2;
    static constexpr unsigned closed_bit = 4;

    queue queue_;
    typename Threads::template atomic<unsigned> attention_{
        0};  // which kinds of waiters there are; closed_bit
    typename Threads::lock lock_;
    node_list receivers_;
    node_list senders_;
};

}  // namespace detail
}  // namespace bight
