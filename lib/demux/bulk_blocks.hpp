// bulk_blocks: receive buffers for sockets from which data comes in bulk.
#pragma once

#include "block_pool.hpp"
#include "receive_size.hpp"

#include <bight/core/export.hpp>

#include <cstddef>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Blocks of the larger sizes, made when they are first needed. What they may hold together is limited: then
/// there is none, and the receive gets smaller again. Thread: that of their demultiplexer; chunks return
/// blocks on any.
class bulk_blocks {
  public:
    bulk_blocks() noexcept = default;
    /// `lender`: see lender_here.
    explicit bulk_blocks(const void* lender) noexcept : lender_(lender) {}
    bulk_blocks(const bulk_blocks&) = delete;
    bulk_blocks& operator=(const bulk_blocks&) = delete;
    ~bulk_blocks();

    void belongs_to(const void* lender) noexcept { lender_ = lender; }
    /// No block of more than `largest` bytes, and not more than `all` bytes in blocks that chunks hold.
    void limit(std::size_t largest, std::size_t all) noexcept {
        largest_ = largest;
        all_ = all;
    }
    /// A block for the next receive of this size, or of a smaller one of the larger sizes; null when that is
    /// to be small, when the limit is reached, or memory exhausted.
    block_pool::block* take(receive_size wanted) noexcept;
    /// Whether there are such blocks at all.
    bool allowed() const noexcept {
        return receive_size::sizes[1] <= largest_ && receive_size::sizes[1] <= all_;
    }
    /// Whether `take` would find the limit not reached.
    bool has_room() const noexcept {
        return receive_size::sizes[1] <= largest_ && lent_bytes() + receive_size::sizes[1] <= all_;
    }
    /// How many blocks chunks hold.
    std::size_t lent() const noexcept;

  private:
    static constexpr unsigned kinds = receive_size::largest_step;
    std::size_t lent_bytes() const noexcept;

    const void* lender_ = nullptr;
    std::size_t largest_ = receive_size::largest;
    std::size_t all_ = 0;
    block_pool* pools_[kinds] = {};
};

}  // namespace detail
}  // namespace bight
