// poison: overwrites memory before it is freed.
#pragma once

#include <cstddef>
#include <cstring>

namespace bight::detail {

/// Not a text, not a plausible size, and not an address: using one as a pointer crashes (it is not canonical
/// on x86-64, and not mapped on arm64).
inline constexpr unsigned char poison_byte = 0xdb;

/// Overwrites memory that is about to be freed. The empty assembly statement may read it, which keeps the
/// optimiser from removing the store.
inline void poison(void* memory, std::size_t size) noexcept {
    std::memset(memory, poison_byte, size);
    asm volatile("" : : "r"(memory) : "memory");
}

}  // namespace bight::detail
