#include <bight/io/payload.hpp>

#include <bight/core/frame_pool.hpp>

#include <cstring>
#include <new>

namespace bight {

payload::payload(const_buffer bytes) {
    if (bytes.size == 0) return;
    bytes_ = new (detail::allocate_frame(sizeof(block) + bytes.size)) block{bytes.size, 1};
    std::memcpy(bytes_ + 1, bytes.data, bytes.size);
}

void payload::drop() noexcept {
    if (bytes_ && --bytes_->references == 0) detail::free_frame(bytes_, sizeof(block) + bytes_->size);
}

}  // namespace bight
