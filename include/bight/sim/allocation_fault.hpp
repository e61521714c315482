// allocation_fault, failing: memory allocations that fail on demand.
#pragma once

#include <bight/core/export.hpp>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace sim {

/// Which allocation of this thread fails: the one after `after` others, and with `all` also every later one.
/// With a negative number none fails. Those of fewer than `least` bytes are not counted, and do not fail.
struct allocation_fault {
    long after = 0;
    bool all = false;
    bool happened = false;
    std::size_t least = 0;
};

namespace detail {

// Defined in the library, so that it can distinguish its own allocations from the program's.
extern constinit thread_local allocation_fault* armed_fault;
extern constinit std::atomic<long> blocks;
extern constinit std::atomic<bool> new_is_replaced;

inline void* allocate_or_fail(std::size_t size) noexcept {
    if (allocation_fault* const f = armed_fault; f && size >= f->least) {
        if (f->after == 0) {
            f->happened = true;
            if (!f->all) f->after = -1;
            return nullptr;
        }
        --f->after;
    }
    void* const memory = std::malloc(size > 0 ? size : 1);
    if (memory) blocks.fetch_add(1, std::memory_order_relaxed);
    return memory;
}

inline void give_back(void* memory) noexcept {
    if (memory) blocks.fetch_sub(1, std::memory_order_relaxed);
    std::free(memory);
}

}  // namespace detail

/// The number of blocks, over all threads, that were allocated with operator new and not deleted. Counted
/// only with failing_new.hpp.
inline long blocks_out() noexcept { return detail::blocks.load(std::memory_order_relaxed); }

/// While an object of this class lives, the allocations of this thread are counted, and fail as `fault` says.
class failing {
  public:
    explicit failing(allocation_fault& fault) noexcept
        : before_(std::exchange(detail::armed_fault, &fault)) {}
    failing(const failing&) = delete;
    failing& operator=(const failing&) = delete;
    ~failing() { detail::armed_fault = before_; }

  private:
    allocation_fault* before_;
};

/// While an object of this class lives, allocations do not fail: for code that is not part of the program
/// under test.
class not_failing {
  public:
    not_failing() noexcept : before_(std::exchange(detail::armed_fault, nullptr)) {}
    not_failing(const not_failing&) = delete;
    not_failing& operator=(const not_failing&) = delete;
    ~not_failing() { detail::armed_fault = before_; }

  private:
    allocation_fault* before_;
};

}  // namespace sim
}  // namespace bight
