#include <bight/io/chunk.hpp>

#include <cstring>
#include <new>

namespace bight {

namespace detail {

heap_block* heap_block::make(std::size_t capacity) {
    void* memory = ::operator new(sizeof(heap_block) + capacity);
    auto* block = new (memory) heap_block;
    block->release = [](buffer_block& base) noexcept { ::operator delete(&static_cast<heap_block&>(base)); };
    return block;
}

}  // namespace detail

chunk chunk::copy_of(const_buffer bytes) {
    if (bytes.size == 0) return {};
    detail::heap_block* block = detail::heap_block::make(bytes.size);
    std::memcpy(block->bytes(), bytes.data, bytes.size);
    return {*block, block->bytes(), bytes.size};
}

}  // namespace bight
