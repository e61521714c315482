// Memory that is of no use any more is made useless.
#pragma once

#include <cstddef>
#include <cstring>

namespace bight::detail {

/// No text, no size that anything has, and no address: whoever follows one made of it crashes (it is not
/// canonical on x86-64, and of no page on arm64).
inline constexpr unsigned char poison_byte = 0xdb;

/// Overwrites what is about to be freed. An optimiser would leave that out, since nobody may look: the
/// assembly, which is empty, may.
inline void poison(void* memory, std::size_t size) noexcept {
    std::memset(memory, poison_byte, size);
    asm volatile("" : : "r"(memory) : "memory");
}

}  // namespace bight::detail
