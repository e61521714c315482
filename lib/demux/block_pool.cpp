#include "block_pool.hpp"

#include <new>

namespace bight::detail {

block_pool::block* block_pool::take() noexcept {
    block* b = free_;
    if (b) {
        free_ = b->next;
        --free_count_;
    } else {
        void* memory = ::operator new(sizeof(block) + block_size, std::nothrow);
        if (!memory) return nullptr;
        b = new (memory) block;
        b->pool = this;
        b->release = [](buffer_block& base) noexcept {
            block& self = static_cast<block&>(base);
            self.pool->give_back(self);
        };
    }
    ++lent_;
    return b;
}

void block_pool::give_back(block& b) noexcept {
    --lent_;
    if (owned_ && free_count_ < kept_blocks) {
        b.next = free_;
        free_ = &b;
        ++free_count_;
        return;
    }
    ::operator delete(&b);
    if (!owned_ && lent_ == 0) delete this;
}

void block_pool::let_go() noexcept {
    owned_ = false;
    while (block* b = free_) {
        free_ = b->next;
        ::operator delete(b);
    }
    if (lent_ == 0) delete this;
}

}  // namespace bight::detail
