#include <bight/io/payload.hpp>

#include <bight/core/detail/frame_pool.hpp>

#include <cstring>
#include <new>

namespace bight {

payload::payload(const_buffer bytes) {
    if (bytes.size == 0) return;
    bytes_ = new (detail::allocate_frame(sizeof(block) + bytes.size)) block{bytes.size, 1};
    std::memcpy(static_cast<void*>(bytes_ + 1), bytes.data, bytes.size);
}

void payload::drop() noexcept {
    if (!bytes_) return;
    // The only owner needs no atomic decrement: nobody else can copy it.
    const bool last = bytes_->references.load(std::memory_order_acquire) == 1 ||
                      bytes_->references.fetch_sub(1, std::memory_order_acq_rel) == 1;
    if (last) detail::free_frame(bytes_, sizeof(block) + bytes_->size);
}

}  // namespace bight
