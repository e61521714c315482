#include "block_pool.hpp"

#include "../core/poison.hpp"
#include "../core/thread_state.hpp"

#include <new>
#include <utility>

namespace bight::detail {

// Called through a pointer and so never inlined: it may use thread_local variables directly.
void block_pool::release(buffer_block& base) noexcept {
    auto& b = static_cast<block&>(base);
    block_pool& pool = *b.pool;
    if (pool.lender_.load(std::memory_order_relaxed) == lender_here) [[likely]] {
        pool.give_back(b);
    } else {
        pool.give_back_elsewhere(b);
    }
}

void block_pool::release_poisoned(buffer_block& base) noexcept {
    auto& b = static_cast<block&>(base);
    poison(b.bytes(), b.used);
    release(b);
}

block_pool::block* block_pool::make() noexcept {
    void* memory = ::operator new(sizeof(block) + size_, std::nothrow);
    if (!memory) return nullptr;
    auto* b = new (memory) block;
    b->pool = this;
    b->release = release_;
    ++made_;
    return b;
}

// Called when no block is free. The block returned, and those linked behind it, count as free.
block_pool::block* block_pool::more() noexcept {
    auto* const first = static_cast<block*>(elsewhere_.take());
    if (!first) {
        block* const made = make();
        if (made) --room_;
        return made;
    }
    std::size_t count = 1;
    lent_block* last = first;
    while (last->next && count < kept_) {
        last = last->next;
        ++count;
    }
    lent_block* surplus = std::exchange(last->next, nullptr);
    room_ -= static_cast<std::ptrdiff_t>(count);
    while (surplus) {
        lent_block* const next = surplus->next;
        ::operator delete(static_cast<block*>(surplus));
        --made_;
        ++count;
        surplus = next;
    }
    taken_back_ += count;
    waiting_.fetch_sub(count, std::memory_order_relaxed);
    return first;
}

// Frees a block beyond the number that is kept.
[[gnu::noinline, gnu::cold]] void block_pool::free(block& b) noexcept {
    ++room_;
    --made_;
    ::operator delete(&b);
}

[[gnu::noinline]] void block_pool::give_back_elsewhere(block& b) noexcept {
    const bool kept =
        owned_.load(std::memory_order_relaxed) && waiting_.load(std::memory_order_relaxed) < kept_;
    if (kept) {
        waiting_.fetch_add(1, std::memory_order_relaxed);
        buffer_kept(b.bytes(), size_);
        elsewhere_.put(b);
    } else {
        ::operator delete(&b);
    }
    if (elsewhere_.count_one()) delete this;
}

void block_pool::let_go() noexcept {
    lender_.store(this, std::memory_order_relaxed);  // another owner may come to stand where its owner stood
    owned_.store(false, std::memory_order_relaxed);
    const auto elsewhere = static_cast<long>(made_ - free_ones() + taken_back_);
    while (lent_block* b = free_) {
        free_ = b->next;
        ::operator delete(static_cast<block*>(b));
    }
    if (elsewhere_.expect(elsewhere)) delete this;
}

block_pool::~block_pool() {
    for (lent_block* b = elsewhere_.take(); b;) {
        lent_block* const next = b->next;
        ::operator delete(static_cast<block*>(b));
        b = next;
    }
}

}  // namespace bight::detail
