// payload: an immutable, reference-counted message.
#pragma once

#include <bight/core/export.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/chunk.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {
class outbox_state;
}

/// An immutable, reference-counted copy of bytes: a broadcast copies them once, and each outbox holds a
/// reference. Thread: any; copies on several threads may refer to the same bytes.
class payload {
  public:
    payload() noexcept = default;
    /// Copy the bytes. Throw std::bad_alloc.
    payload(std::string_view text) : payload(const_buffer(text)) {}
    payload(const std::string& text) : payload(const_buffer(text)) {}
    payload(const char* text) : payload(const_buffer(text)) {}
    payload(const chunk& bytes) : payload(static_cast<const_buffer>(bytes)) {}
    explicit payload(const_buffer bytes);

    payload(const payload& other) noexcept : bytes_(other.bytes_) {
        if (bytes_) bytes_->references.fetch_add(1, std::memory_order_relaxed);
    }
    payload(payload&& other) noexcept : bytes_(std::exchange(other.bytes_, nullptr)) {}
    payload& operator=(payload other) noexcept {
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~payload() { drop(); }

    std::size_t size() const noexcept { return bytes_ ? bytes_->size : 0; }
    const char* data() const noexcept { return bytes_ ? reinterpret_cast<const char*>(bytes_ + 1) : nullptr; }
    std::string_view view() const noexcept { return {data(), size()}; }

  private:
    friend class detail::outbox_state;
    struct block {
        std::size_t size;
        std::size_t capacity;
        std::atomic<std::uint32_t> references;
    };
    // For the outbox that fills it, before anybody else has it.
    static payload with_room(std::size_t capacity);
    std::size_t room() const noexcept { return bytes_ ? bytes_->capacity - bytes_->size : 0; }
    void append(const char* data, std::size_t size) noexcept;

    void drop() noexcept;
    block* bytes_ = nullptr;
};

}  // namespace bight
