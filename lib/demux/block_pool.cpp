#include "block_pool.hpp"

#include <new>

namespace bight::detail {

block_pool::block* block_pool::make() noexcept {
    void* memory = ::operator new(sizeof(block) + block_size, std::nothrow);
    if (!memory) return nullptr;
    auto* b = new (memory) block;
    b->pool = this;
    b->release = [](buffer_block& base) noexcept {
        auto& self = static_cast<block&>(base);
        self.pool->give_back(self);
    };
    b->next = nullptr;
    ++made_;
    ++free_count_;
    return b;
}

void block_pool::free(block& b) noexcept {
    ::operator delete(&b);
    if (--made_ == 0 && !owned_) delete this;
}

void block_pool::let_go() noexcept {
    owned_ = false;
    kept_ = 0;
    if (made_ == 0) {
        delete this;
        return;
    }
    while (block* b = free_) {  // the last one may end this pool
        free_ = b->next;
        --free_count_;
        const bool last = made_ == 1;
        free(*b);
        if (last) return;
    }
}

}  // namespace bight::detail
