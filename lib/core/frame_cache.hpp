// The frames that a reactor keeps for reuse.
#pragma once

#include <bight/core/frame_pool.hpp>

#include <array>
#include <cstddef>

namespace bight::detail {

/// Free blocks by size class. Blocks are plain allocations, so one may be freed anywhere:
/// into the cache of whichever reactor runs there, or to the heap.
class frame_cache {
  public:
    /// What a reactor keeps at most; beyond it, freed frames go back to the heap.
    static constexpr std::size_t kept_bytes = std::size_t{64} << 20;

    frame_cache() noexcept = default;
    frame_cache(const frame_cache&) = delete;
    frame_cache& operator=(const frame_cache&) = delete;
    ~frame_cache();

    void* take(std::size_t i) noexcept {
        free_block* block = free_[i];
        if (block) {
            free_[i] = block->next;
            bytes_ -= (i + 1) * frame_granularity;
        }
        return block;
    }

    bool keep(void* memory, std::size_t i) noexcept {
        if (bytes_ >= kept_bytes) return false;
        auto* block = static_cast<free_block*>(memory);
        block->next = free_[i];
        free_[i] = block;
        bytes_ += (i + 1) * frame_granularity;
        return true;
    }

  private:
    struct free_block {
        free_block* next;
    };
    std::array<free_block*, frame_classes> free_{};
    std::size_t bytes_ = 0;
};

}  // namespace bight::detail
