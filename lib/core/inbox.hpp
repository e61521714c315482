// inbox: a lock-free queue of calls that other threads post to a reactor.
#pragma once

#include <bight/core/reactor.hpp>

#include <atomic>

namespace bight::detail {

/// Many producers, one consumer, no lock: a stack that the consumer takes whole and reverses, which makes it
/// first in, first out. The same word says whether the reactor sleeps, so that exactly one of many posts
/// wakes it.
class inbox {
  public:
    inbox() noexcept = default;
    inbox(const inbox&) = delete;
    inbox& operator=(const inbox&) = delete;
    ~inbox() {
        wake_up();
        for (posted* call = take(); call;) {
            posted* next = call->next;
            delete call;
            call = next;
        }
    }

    /// Thread: any. True when the reactor sleeps and this call must wake it.
    // Release: pairs with the acquire of the consumer's exchange.
    bool push(posted& call) noexcept {
        posted* old = top_.load(std::memory_order_relaxed);
        do {
            call.next = old == asleep() ? nullptr : old;
        } while (
            !top_.compare_exchange_weak(old, &call, std::memory_order_release, std::memory_order_relaxed));
        return old == asleep();
    }

    /// Called before the reactor sleeps, or waits in a host loop. False when there are calls to take first.
    bool sleep() noexcept {
        posted* nothing = nullptr;
        return top_.compare_exchange_strong(nothing, asleep(), std::memory_order_relaxed);
    }

    /// Called when the reactor is awake. True when a push ended its sleep.
    bool wake_up() noexcept {
        posted* old = asleep();
        if (top_.compare_exchange_strong(old, nullptr, std::memory_order_relaxed)) return false;
        return old != nullptr;
    }

    /// Only while awake.
    bool empty() const noexcept { return top_.load(std::memory_order_relaxed) == nullptr; }

    /// Everything that was pushed, oldest first, linked through `next`. Only while awake.
    posted* take() noexcept {
        if (empty()) return nullptr;
        posted* stack = top_.exchange(nullptr, std::memory_order_acquire);
        posted* queue = nullptr;
        while (stack) {
            posted* next = stack->next;
            stack->next = queue;
            queue = stack;
            stack = next;
        }
        return queue;
    }

  private:
    // A mark that is not the address of any posted call.
    posted* asleep() noexcept { return reinterpret_cast<posted*>(&top_); }

    std::atomic<posted*> top_{nullptr};
};

}  // namespace bight::detail
