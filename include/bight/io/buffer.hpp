// const_buffer, mutable_buffer: views of bytes for writes, and for reads into the caller's memory.
#pragma once

#include <bight/core/export.hpp>

#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace BIGHT_EXPORT bight {

namespace detail {

/// A type that can be read and written as one byte.
template <class T>
concept single_byte = sizeof(T) == 1 && std::is_trivially_copyable_v<T> && !std::is_volatile_v<T>;

/// A contiguous container or view of single bytes: a string, a vector, an array, a span.
template <class R>
concept bytes_in_a_row = requires(R& r) {
    requires single_byte<std::remove_const_t<std::remove_pointer_t<decltype(r.data())>>>;
    { r.size() } -> std::convertible_to<std::size_t>;
};

}  // namespace detail

/// A view of bytes to write. Text and contiguous containers of single bytes convert to it. An array of char
/// is taken as text that ends at its first zero; an array of another byte type is taken whole.
struct const_buffer {
    const void* data = nullptr;
    std::size_t size = 0;

    const_buffer() noexcept = default;
    const_buffer(const void* bytes, std::size_t count) noexcept : data(bytes), size(count) {}
    const_buffer(std::string_view text) noexcept : data(text.data()), size(text.size()) {}
    const_buffer(const std::string& text) noexcept : data(text.data()), size(text.size()) {}
    const_buffer(const char* text) noexcept : data(text), size(std::strlen(text)) {}
    template <detail::bytes_in_a_row R>
    const_buffer(const R& bytes) noexcept : data(bytes.data()), size(bytes.size()) {}
    template <detail::single_byte T, std::size_t N>
        requires(!std::is_same_v<T, char>)
    const_buffer(const T (&bytes)[N]) noexcept : data(bytes), size(N) {}
};

/// A view of memory to read into.
struct mutable_buffer {
    void* data = nullptr;
    std::size_t size = 0;

    mutable_buffer() noexcept = default;
    mutable_buffer(void* bytes, std::size_t count) noexcept : data(bytes), size(count) {}
    template <class N>
        requires std::is_arithmetic_v<N>
    mutable_buffer(N) = delete;  // a read fills memory, not a number of bytes: char header[4]
    template <detail::single_byte T, std::size_t N>
        requires(std::is_convertible_v<T*, void*>)
    mutable_buffer(T (&bytes)[N]) noexcept : data(bytes), size(N) {}
    /// From a contiguous container of writable single bytes.
    template <detail::bytes_in_a_row R>
        requires requires(R& r) { static_cast<void*>(r.data()); }
    mutable_buffer(R&& bytes) noexcept : data(bytes.data()), size(bytes.size()) {}
};

}  // namespace bight
