// returned_elsewhere: takes back receive buffers from threads other than their reactor's.
#pragma once

#include <bight/io/chunk.hpp>

#include <atomic>

namespace bight::detail {

/// A receive buffer, with a link for the list that it is in while no chunk holds it.
struct lent_block : buffer_block {
    lent_block* next = nullptr;
};

/// A lock-free list of buffers that were released on another thread than their reactor's (see lender_here),
/// or while the reactor does not run: many threads put, the owner takes. When the owner has gone, it also
/// tells when the last buffer of the pool has come back.
class returned_elsewhere {
  public:
    returned_elsewhere() noexcept = default;
    returned_elsewhere(const returned_elsewhere&) = delete;
    returned_elsewhere& operator=(const returned_elsewhere&) = delete;

    // Release: pairs with the owner's acquiring exchange, so that reads of the buffer happen before its
    // reuse. Nodes are never taken out singly, so there is no ABA problem.
    /// Thread: any. To be followed by `count_one`.
    void put(lent_block& b) noexcept {
        lent_block* top = top_.load(std::memory_order_relaxed);
        do b.next = top;
        while (!top_.compare_exchange_weak(top, &b, std::memory_order_release, std::memory_order_relaxed));
    }
    /// Counts a buffer that has come back, by `put` or by being freed. Thread: any. True when it was the last
    /// one and the owner has gone: then the caller deletes the pool. Otherwise the caller must not touch the
    /// pool any more.
    bool count_one() noexcept { return count_.fetch_add(1, std::memory_order_acq_rel) == -1; }

    /// The buffers put since the last call, last in, first out, linked through `next`. Thread: the owner's.
    lent_block* take() noexcept {
        if (empty()) return nullptr;
        return top_.exchange(nullptr, std::memory_order_acquire);
    }
    bool empty() const noexcept { return top_.load(std::memory_order_relaxed) == nullptr; }
    /// How many buffers have come back here in all.
    long counted() const noexcept { return count_.load(std::memory_order_relaxed); }

    /// The owner goes; `all` is the number of buffers that have come back here or will. True when all have:
    /// then the caller deletes the pool.
    bool expect(long all) noexcept { return count_.fetch_sub(all, std::memory_order_acq_rel) == all; }

  private:
    std::atomic<lent_block*> top_{nullptr};
    std::atomic<long> count_{0};  // negative once the owner has gone: the number still out
};

}  // namespace bight::detail
