// frame_cache: the free coroutine frames that a reactor keeps for reuse.
#pragma once

#include <bight/core/export.hpp>

#include <array>
#include <cstddef>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The step between size classes. The largest block of a class is 8 bytes short of a multiple of the step, so
/// that together with the heap's own 8 bytes it fills the multiple exactly.
inline constexpr std::size_t frame_granularity = 16;
inline constexpr std::size_t frame_classes = 256;

constexpr std::size_t frame_class_size(std::size_t i) noexcept { return frame_granularity * (i + 2) - 8; }
constexpr std::size_t frame_class_of(std::size_t size) noexcept {
    return size <= frame_class_size(0) ? 0 : (size + 7) / frame_granularity - 1;
}

/// Free blocks by size class. Blocks are plain allocations, so one may be freed anywhere: into the cache of
/// whichever reactor runs there, or to the heap.
///
/// Every list ends in the cache's own `bottom_`, so that it is never empty, and each block stores the number
/// of bytes from it to the end of its list, so that take and keep update nothing but the list.
class frame_cache {
  public:
    /// At most this much is kept of each size class; beyond it, freed frames go back to the heap.
    static constexpr std::size_t kept_bytes = std::size_t{16} << 20;

    frame_cache() noexcept : frame_cache(0) {}
    frame_cache(const frame_cache&) = delete;
    frame_cache& operator=(const frame_cache&) = delete;
    ~frame_cache();

    /// For a thread where no reactor runs: it has nothing, and keeps nothing.
    struct keeps_nothing {};
    constexpr explicit frame_cache(keeps_nothing) noexcept : frame_cache(kept_bytes) {}

    /// A block of class `i`; null when there is none.
    void* take(std::size_t i) noexcept {
        free_block* const block = free_[i];
        free_block* const next = block->next;
        if (!next) [[unlikely]]
            return nullptr;
        free_[i] = next;
        return block;
    }

    /// Keeps a freed block; false when the class is full.
    bool keep(void* memory, std::size_t i) noexcept {
        free_block* const top = free_[i];
        const std::size_t bytes = top->bytes + frame_class_size(i);
        if (bytes > kept_bytes) [[unlikely]]
            return false;
        auto* const block = static_cast<free_block*>(memory);
        block->next = top;
        block->bytes = bytes;
        free_[i] = block;
        return true;
    }

    /// The number of blocks kept.
    long kept() const noexcept;

  private:
    struct free_block {
        free_block* next;
        std::size_t bytes;  // in the list from here on
    };
    static_assert(sizeof(free_block) <= frame_class_size(0));

    constexpr explicit frame_cache(std::size_t bytes_at_bottom) noexcept : bottom_{nullptr, bytes_at_bottom} {
        free_.fill(&bottom_);
    }

    std::array<free_block*, frame_classes> free_{};
    free_block bottom_;
};

}  // namespace detail
}  // namespace bight
