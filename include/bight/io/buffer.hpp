// Views of bytes, for reads into the caller's memory and for writes.
#pragma once

#include <bight/core/export.hpp>

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace BIGHT_EXPORT bight {

/// Bytes to write, which somebody else owns. Text and anything contiguous of bytes converts to it.
struct const_buffer {
    const void* data = nullptr;
    std::size_t size = 0;

    const_buffer() noexcept = default;
    const_buffer(const void* bytes, std::size_t count) noexcept : data(bytes), size(count) {}
    const_buffer(std::string_view text) noexcept : data(text.data()), size(text.size()) {}
    const_buffer(const std::string& text) noexcept : data(text.data()), size(text.size()) {}
    const_buffer(const char* text) noexcept : data(text), size(std::strlen(text)) {}
    const_buffer(std::span<const std::byte> bytes) noexcept : data(bytes.data()), size(bytes.size()) {}
};

/// Memory to read into, which somebody else owns.
struct mutable_buffer {
    void* data = nullptr;
    std::size_t size = 0;

    mutable_buffer() noexcept = default;
    mutable_buffer(void* bytes, std::size_t count) noexcept : data(bytes), size(count) {}
    template <class T, std::size_t N>
        requires(sizeof(T) == 1 && std::is_convertible_v<T*, void*>)
    mutable_buffer(T (&bytes)[N]) noexcept : data(bytes), size(N) {}
    /// Anything contiguous of single bytes: a string, a vector, an array, a span.
    template <class R>
        requires(!std::is_same_v<std::remove_cvref_t<R>, mutable_buffer> &&
                 requires(R& r) {
                     requires sizeof(*r.data()) == 1;
                     static_cast<void*>(r.data());
                     r.size();
                 })
    mutable_buffer(R&& bytes) noexcept : data(bytes.data()), size(bytes.size()) {}
};

}  // namespace bight
