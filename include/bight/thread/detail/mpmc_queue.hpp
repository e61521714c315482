// mpmc_queue: a bounded queue without locks for many producers and many consumers.
#pragma once

#include <bight/core/export.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The atomics that production uses. Tests replace them by others, at each operation of which an exhaustive
/// search decides which thread runs.
struct real_atomics {
    template <class T>
    using atomic = std::atomic<T>;
    /// A sequentially consistent fence.
    static void fence() noexcept { std::atomic_thread_fence(std::memory_order_seq_cst); }
};

/// Dmitry Vyukov's bounded MPMC queue ("Bounded MPMC queue", 1024cores.net, 2010), with two changes: the
/// capacity may be any number from 1 (each slot counts in steps of two, so that "full" and "free for the next
/// round" differ even for 1), and a bit in the producers' position closes the queue for good.
///
/// A producer takes position n by moving `tail_` from n to n + 1, and owns slot n mod capacity until it
/// publishes the value there; a consumer does the same with `head_`. A slot's `turn` says who owns it:
///
///     2 n                 free for the producer of position n
///     2 n + 1             full, for the consumer of position n
///     2 (n + capacity)    free again, for the producer one round later
///
/// Memory orders: `turn` carries the value. The producer's release store after writing the value pairs with
/// the consumer's acquire load before reading it, and the consumer's release store after taking the value out
/// with the acquire load of the producer one round later. `head_` and `tail_` only hand out positions: the
/// compare-and-swap gives each to one thread, and a stale read makes the swap fail, or shows in the slot's
/// turn, so relaxed suffices. Closing is relaxed too: callers of `drained` learn in another way that the
/// queue was closed.
///
/// Values are first in, first out: those of one producer come out in its order, and each comes out once. A
/// push and a pop are lock-free with one exception: a producer that is interrupted between taking a position
/// and publishing it hides the values behind its own, so that the queue looks empty to consumers.
template <class T, class Atomics = real_atomics>
class mpmc_queue {
    static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                  "a value that is moved between threads must not throw while it moves: wrap it in a "
                  "std::unique_ptr");

  public:
    /// Throws std::bad_alloc. A capacity of 0 counts as 1.
    explicit mpmc_queue(std::size_t capacity)
        : capacity_(capacity > 0 ? capacity : 1), slots_(std::make_unique<slot[]>(capacity_)) {
        for (std::size_t i = 0; i < capacity_; ++i) {
            slots_[i].turn.store(2 * static_cast<std::uint64_t>(i), std::memory_order_relaxed);
        }
    }
    mpmc_queue(const mpmc_queue&) = delete;
    mpmc_queue& operator=(const mpmc_queue&) = delete;
    /// Only when no other thread uses it any more.
    ~mpmc_queue() {
        const std::uint64_t end = tail_.load(std::memory_order_relaxed) >> 1;
        for (std::uint64_t n = head_.load(std::memory_order_relaxed); n < end; ++n) at(n).value()->~T();
    }

    std::size_t capacity() const noexcept { return capacity_; }

    enum class outcome : std::uint8_t { done, full, closed };

    /// Moves `value` in; leaves it unchanged unless it returns `done`.
    outcome try_push(T& value) noexcept {
        std::uint64_t n = 0;
        const outcome taken = take_free(n);
        if (taken == outcome::done) put(n, std::move(value));
        return taken;
    }
    /// Calls `take(T&&)` with the oldest value. False when there is none.
    template <class F>
    bool try_pop(F&& take) noexcept {
        std::uint64_t n = 0;
        if (!take_full(n)) return false;
        get(n, std::forward<F>(take));
        return true;
    }

    // The halves of a push and of a pop: the first takes a position without touching a value, the second uses
    // it, and may run code of T. In between the position hides later values.

    outcome take_free(std::uint64_t& n) noexcept {
        std::uint64_t tail = tail_.load(std::memory_order_relaxed);
        for (;;) {
            if (tail & closed_bit) return outcome::closed;
            n = tail >> 1;
            const std::uint64_t turn = at(n).turn.load(std::memory_order_acquire);
            if (turn == 2 * n) {
                if (tail_.compare_exchange_weak(tail, tail + position_step, std::memory_order_relaxed,
                                                std::memory_order_relaxed)) {
                    return outcome::done;
                }
            } else if (turn < 2 * n) {
                return outcome::full;  // the consumer of the previous round has not come, or has not finished
            } else {
                tail = tail_.load(std::memory_order_relaxed);  // another producer was first
            }
        }
    }

    void put(std::uint64_t n, T&& value) noexcept {
        slot& s = at(n);
        ::new (static_cast<void*>(s.memory)) T(std::move(value));
        s.turn.store(2 * n + 1, std::memory_order_release);
    }

    bool take_full(std::uint64_t& n) noexcept {
        n = head_.load(std::memory_order_relaxed);
        for (;;) {
            const std::uint64_t turn = at(n).turn.load(std::memory_order_acquire);
            if (turn == 2 * n + 1) {
                if (head_.compare_exchange_weak(n, n + 1, std::memory_order_relaxed,
                                                std::memory_order_relaxed)) {
                    return true;
                }
            } else if (turn < 2 * n + 1) {
                return false;
            } else {
                n = head_.load(std::memory_order_relaxed);  // another consumer was first
            }
        }
    }

    template <class F>
    void get(std::uint64_t n, F&& take) noexcept {
        slot& s = at(n);
        T* const value = s.value();
        std::forward<F>(take)(std::move(*value));
        value->~T();
        s.turn.store(2 * (n + capacity_), std::memory_order_release);
    }

    /// From here on every push returns `closed`. Values in the queue stay.
    void close() noexcept { tail_.fetch_or(closed_bit, std::memory_order_relaxed); }
    /// Whether all values that were ever pushed have been taken, or are being taken. Only after close; then
    /// true is final.
    bool drained() const noexcept {
        return head_.load(std::memory_order_relaxed) == tail_.load(std::memory_order_relaxed) >> 1;
    }
    /// Approximate while other threads use it.
    std::size_t size() const noexcept {
        const std::uint64_t head = head_.load(std::memory_order_relaxed);
        const std::uint64_t tail = tail_.load(std::memory_order_relaxed) >> 1;
        return tail > head ? static_cast<std::size_t>(tail - head) : 0;
    }

  private:
    template <class X>
    using atomic = typename Atomics::template atomic<X>;

    static constexpr std::uint64_t closed_bit = 1;
    static constexpr std::uint64_t position_step = 2;
    static constexpr std::size_t line = 64;  // a cache line

    struct slot {
        atomic<std::uint64_t> turn{0};
        alignas(T) unsigned char memory[sizeof(T)];
        T* value() noexcept { return std::launder(reinterpret_cast<T*>(memory)); }
    };
    slot& at(std::uint64_t n) const noexcept { return slots_[static_cast<std::size_t>(n % capacity_)]; }

    const std::size_t capacity_;
    const std::unique_ptr<slot[]> slots_;
    alignas(line) atomic<std::uint64_t> tail_{0};  // twice the next position to fill, and the closed bit
    alignas(line) atomic<std::uint64_t> head_{0};  // the next position to empty
};

}  // namespace detail
}  // namespace bight
