// block_pool: receive buffers that are made when they are needed, and reused.
#pragma once

#include "lent_block.hpp"
#include "tool_annotations.hpp"

#include <bight/core/export.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Blocks of one size, reused last in, first out. A chunk may be destroyed on any thread, and outlive the
/// pool's owner: the pool is deleted when its owner has let go of it and the last block has been returned.
/// Everything else is for the owner's thread.
class block_pool {
  public:
    static constexpr std::size_t block_size = 16384;
    /// Free blocks kept for reuse.
    static constexpr std::size_t kept_blocks = 64;

    struct block final : lent_block {
        block_pool* pool = nullptr;
        std::size_t used = 0;  ///< in a pool that poisons: how many bytes were used
        char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
    };

    block_pool() noexcept = default;
    /// A pool of blocks of another size, which belong to `lender` (see lender_here) as long as it has an
    /// owner.
    block_pool(const void* lender, std::size_t size, std::size_t kept) noexcept
        : lender_(lender), size_(size), kept_(kept), room_(static_cast<std::ptrdiff_t>(kept)) {}
    /// Selects a pool that overwrites the `used` bytes of returned blocks, so that reading them later is
    /// detected.
    struct poisons {};
    explicit block_pool(poisons) noexcept : release_(&release_poisoned) {}
    block_pool(const block_pool&) = delete;
    block_pool& operator=(const block_pool&) = delete;

    /// The bytes of a block.
    std::size_t size() const noexcept { return size_; }
    /// A block, or null when memory is exhausted.
    block* take() noexcept {
        lent_block* b = free_;
        if (!b) [[unlikely]]
            b = more();
        if (!b) return nullptr;
        free_ = b->next;
        ++room_;
        auto* const taken = static_cast<block*>(b);
        buffer_taken(taken->bytes(), size_);
        return taken;
    }
    void give_back(block& b) noexcept {
        if (--room_ < 0) [[unlikely]] {
            free(b);
            return;
        }
        b.next = free_;
        free_ = &b;
        buffer_kept(b.bytes(), size_);
    }
    std::size_t lent() const noexcept {
        return made_ - free_ones() + taken_back_ - static_cast<std::size_t>(elsewhere_.counted());
    }
    /// The owner is about to be destroyed.
    void let_go() noexcept;

  private:
    ~block_pool();
    std::size_t free_ones() const noexcept { return kept_ - static_cast<std::size_t>(room_); }
    block* more() noexcept;
    block* make() noexcept;
    void free(block& b) noexcept;
    void give_back_elsewhere(block& b) noexcept;
    static void release(buffer_block& b) noexcept;
    static void release_poisoned(buffer_block& b) noexcept;

    std::atomic<const void*> lender_{this};
    void (*const release_)(buffer_block& b) noexcept = &release;
    lent_block* free_ = nullptr;
    const std::size_t size_ = block_size;
    const std::size_t kept_ = kept_blocks;
    std::ptrdiff_t room_ = kept_blocks;  // how many more free blocks are kept
    std::size_t made_ = 0;               // minus those freed by the owner
    std::size_t taken_back_ = 0;         // of those returned on other threads
    returned_elsewhere elsewhere_;
    std::atomic<std::size_t> waiting_{0};  // to be taken back, approximately
    std::atomic<bool> owned_{true};
};

}  // namespace detail
}  // namespace bight
