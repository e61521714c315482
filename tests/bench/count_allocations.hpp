// Counts every allocation of the program that includes it, in one of its files.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace bench {

inline std::size_t& allocation_counter() {
    static std::size_t counter = 0;
    return counter;
}

/// So far.
inline std::size_t allocations() { return allocation_counter(); }

}  // namespace bench

void* operator new(std::size_t size) {
    ++bench::allocation_counter();
    if (void* block = std::malloc(size)) return block;
    throw std::bad_alloc();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
