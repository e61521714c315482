// Counts every allocation of the program; included by one of its files. Not for sanitizers, which bring
// allocation functions of their own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace test {

inline std::atomic<long>& allocation_counter() {
    static std::atomic<long> counter{0};
    return counter;
}

/// The number of allocations so far, on all threads.
inline long allocations() { return allocation_counter().load(std::memory_order_relaxed); }

inline void* counted_allocation(std::size_t size) noexcept {
    allocation_counter().fetch_add(1, std::memory_order_relaxed);
    return std::malloc(size ? size : 1);
}

}  // namespace test

// NOLINTBEGIN(misc-definitions-in-headers): these cannot be inline, and one file of a program includes them.
void* operator new(std::size_t size) {
    if (void* memory = test::counted_allocation(size)) return memory;
    throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return test::counted_allocation(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
// NOLINTEND(misc-definitions-in-headers)
