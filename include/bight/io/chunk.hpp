// chunk: received bytes, together with their buffer.
#pragma once

#include <bight/core/export.hpp>
#include <bight/io/buffer.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

/// The header of a buffer that chunks use; `release` returns the buffer to its maker.
struct buffer_block {
    void (*release)(buffer_block& block) noexcept = nullptr;
};

/// A block with `capacity` bytes behind it, from the heap. Throws std::bad_alloc.
struct heap_block final : buffer_block {
    static heap_block* make(std::size_t capacity);
    char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
};

}  // namespace detail

/// The result of one read: a view of the bytes, and ownership of their buffer, which returns to the reactor
/// when the chunk is destroyed. Move-only (a moved-from chunk is empty); empty at the end of the stream. Keep
/// a chunk only as long as the bytes are needed, and copy what must be kept longer. It may be moved to
/// another thread (into a call of offload, say) and destroyed there: the buffer still returns to its reactor.
class chunk {
  public:
    chunk() noexcept = default;
    /// Takes over `block`, which holds [data, data + size).
    chunk(detail::buffer_block& block, char* data, std::size_t size) noexcept
        : data_(data), size_(size), block_(&block) {}
    chunk(chunk&& other) noexcept
        : data_(other.data_),
          size_(std::exchange(other.size_, 0)),
          block_(std::exchange(other.block_, nullptr)) {}
    chunk& operator=(chunk&& other) noexcept {
        if (this != &other) {
            reset();
            data_ = other.data_;
            size_ = std::exchange(other.size_, 0);
            block_ = std::exchange(other.block_, nullptr);
        }
        return *this;
    }
    ~chunk() {
        if (block_) block_->release(*block_);
    }

    /// A chunk with its own copy of `bytes`. Throws std::bad_alloc.
    static chunk copy_of(const_buffer bytes);

    explicit operator bool() const noexcept { return size_ != 0; }
    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }
    const char* data() const noexcept { return data_; }
    char* data() noexcept { return data_; }
    const char* begin() const noexcept { return data_; }
    const char* end() const noexcept { return data_ + size_; }

    std::string_view view() const noexcept { return {data_, size_}; }
    std::span<const std::byte> bytes() const noexcept {
        return {reinterpret_cast<const std::byte*>(data_), size_};
    }
    std::string to_string() const { return std::string(data_, size_); }

    /// Drops the first `count` bytes; at most size().
    void remove_prefix(std::size_t count) noexcept {
        data_ += count;
        size_ -= count;
    }

    /// Takes over `block`, as the constructor does. This chunk must be empty.
    void fill(detail::buffer_block& block, char* data, std::size_t size) noexcept {
        data_ = data;
        size_ = size;
        block_ = &block;
    }
    /// Takes over the buffer of `other`. This chunk must be empty. (Cheaper than assigning.)
    void take_from(chunk& other) noexcept {
        data_ = other.data_;
        size_ = other.size_;
        block_ = other.block_;
        other.size_ = 0;
        other.block_ = nullptr;
    }

    /// Keeps the first `count` bytes; at most size().
    void truncate(std::size_t count) noexcept { size_ = count; }

    /// Returns the buffer now.
    void reset() noexcept {
        size_ = 0;
        if (auto* block = std::exchange(block_, nullptr)) block->release(*block);
    }

  private:
    char* data_ = nullptr;
    std::size_t size_ = 0;
    detail::buffer_block* block_ = nullptr;
};

}  // namespace bight
