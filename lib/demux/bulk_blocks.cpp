#include "bulk_blocks.hpp"

#include <algorithm>
#include <new>

namespace bight::detail {

namespace {

// Free blocks that are kept for reuse, of each size.
constexpr std::size_t kept_bytes = std::size_t{1} << 20;

}  // namespace

bulk_blocks::~bulk_blocks() {
    for (block_pool* pool : pools_) {
        if (pool) pool->let_go();
    }
}

block_pool::block* bulk_blocks::take(receive_size wanted) noexcept {
    const std::size_t lent = lent_bytes();
    for (unsigned step = wanted.next(); step > 0; --step) {
        const std::size_t size = receive_size::sizes[step];
        if (size > largest_ || lent + size > all_) continue;
        block_pool*& pool = pools_[step - 1];
        if (!pool) pool = new (std::nothrow) block_pool(lender_, size, kept_bytes / size);
        block_pool::block* const taken = pool ? pool->take() : nullptr;
        if (taken) return taken;
    }
    return nullptr;
}

std::size_t bulk_blocks::lent() const noexcept {
    std::size_t sum = 0;
    for (const block_pool* pool : pools_) sum += pool ? pool->lent() : 0;
    return sum;
}

std::size_t bulk_blocks::lent_bytes() const noexcept {
    std::size_t sum = 0;
    for (const block_pool* pool : pools_) sum += pool ? pool->lent() * pool->size() : 0;
    return sum;
}

}  // namespace bight::detail
