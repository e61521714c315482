// Receive buffers for the demultiplexers that read into memory of their own.
#pragma once

#include <bight/io/chunk.hpp>

#include <cstddef>
#include <cstdint>

namespace bight::detail {

/// Blocks of one size, reused last in first out. Chunks may outlive the pool's owner: the pool ends when its
/// owner has let go of it and the last block has come back.
class block_pool {
  public:
    static constexpr std::size_t block_size = 16384;
    /// Free blocks kept for reuse.
    static constexpr std::size_t kept_blocks = 64;

    struct block final : buffer_block {
        block_pool* pool = nullptr;
        block* next = nullptr;
        char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
    };

    block_pool() noexcept = default;
    block_pool(const block_pool&) = delete;
    block_pool& operator=(const block_pool&) = delete;

    /// A block of block_size bytes, or null when memory is out.
    block* take() noexcept {
        block* b = free_;
        if (!b) [[unlikely]]
            b = make();
        if (!b) return nullptr;
        free_ = b->next;
        --free_count_;
        return b;
    }
    void give_back(block& b) noexcept {
        if (free_count_ >= kept_) [[unlikely]] {
            free(b);
            return;
        }
        b.next = free_;
        free_ = &b;
        ++free_count_;
    }
    std::size_t lent() const noexcept { return made_ - free_count_; }
    /// The owner is going.
    void let_go() noexcept;

  private:
    ~block_pool() = default;
    block* make() noexcept;  // one that counts as free
    void free(block& b) noexcept;
    block* free_ = nullptr;
    std::size_t free_count_ = 0;
    std::size_t kept_ = kept_blocks;  // 0 once the owner has gone
    std::size_t made_ = 0;            // and not freed
    bool owned_ = true;
};

}  // namespace bight::detail
