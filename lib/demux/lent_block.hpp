// Receive buffers that come back on a thread other than the one whose reactor lent them.
#pragma once

#include <bight/io/chunk.hpp>

#include <atomic>

namespace bight::detail {

/// A buffer that is lent, with a link for the one list that it is in when it is not.
struct lent_block : buffer_block {
    lent_block* next = nullptr;
};

/// The way back for buffers that are dropped elsewhere than where their reactor runs (see lender_here), be it
/// that it runs nowhere: many threads put, the owner takes. It also says when the last buffer of a pool has
/// come back whose owner has gone.
class returned_elsewhere {
  public:
    returned_elsewhere() noexcept = default;
    returned_elsewhere(const returned_elsewhere&) = delete;
    returned_elsewhere& operator=(const returned_elsewhere&) = delete;

    // Release: what was read from the buffer was read before the owner, whose exchange acquires, lends it
    // again. Nothing is taken out of the middle, so the top may go and come back meanwhile.
    /// Thread: any. To be followed by `count_one`.
    void put(lent_block& b) noexcept {
        lent_block* top = top_.load(std::memory_order_relaxed);
        do b.next = top;
        while (!top_.compare_exchange_weak(top, &b, std::memory_order_release, std::memory_order_relaxed));
    }
    /// One more has come back, by `put` or by being freed. Thread: any. True when it was the last one of all
    /// and the owner has gone: the caller ends the pool. Else it touches the pool no more.
    bool count_one() noexcept { return count_.fetch_add(1, std::memory_order_acq_rel) == -1; }

    /// Those that were put since the last call, last in first, linked through `next`. Thread: the owner's.
    lent_block* take() noexcept {
        if (empty()) return nullptr;
        return top_.exchange(nullptr, std::memory_order_acquire);
    }
    bool empty() const noexcept { return top_.load(std::memory_order_relaxed) == nullptr; }
    /// How many have ever come back here.
    long counted() const noexcept { return count_.load(std::memory_order_relaxed); }

    /// The owner goes: `all` have come back here, or will. True when they have: the caller ends the pool.
    bool expect(long all) noexcept { return count_.fetch_sub(all, std::memory_order_acq_rel) == all; }

  private:
    std::atomic<lent_block*> top_{nullptr};
    std::atomic<long> count_{0};  // below zero once the owner has gone: so many are still out
};

}  // namespace bight::detail
