#include <bight/io/payload.hpp>

#include <bight/core/detail/frame_pool.hpp>

#include <cstring>
#include <new>

namespace bight {

payload::payload(const_buffer bytes) {
    if (bytes.size == 0) return;
    *this = with_room(bytes.size);
    append(static_cast<const char*>(bytes.data), bytes.size);
}

payload payload::with_room(std::size_t capacity) {
    payload made;
    made.bytes_ = new (detail::allocate_frame(sizeof(block) + capacity)) block{0, capacity, 1};
    return made;
}

void payload::append(const char* data, std::size_t size) noexcept {
    std::memcpy(reinterpret_cast<char*>(bytes_ + 1) + bytes_->size, data, size);
    bytes_->size += size;
}

void payload::drop() noexcept {
    if (!bytes_) return;
    // The only owner needs no atomic decrement: nobody else can copy it.
    const bool last = bytes_->references.load(std::memory_order_acquire) == 1 ||
                      bytes_->references.fetch_sub(1, std::memory_order_acq_rel) == 1;
    if (last) detail::free_frame(bytes_, sizeof(block) + bytes_->capacity);
}

}  // namespace bight
