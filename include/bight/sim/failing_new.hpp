// Replaces operator new and operator delete by versions that fail on demand, for fail_allocations_everywhere
// and sim::failing. Include it in exactly one file of a test program. Of the sanitizers only AddressSanitizer
// may be used with it: the others replace these operators themselves.
#pragma once

#include <bight/core/export.hpp>
#include <bight/sim/allocation_fault.hpp>

#include <cstddef>
#include <new>

namespace BIGHT_EXPORT bight {
namespace sim::detail {

inline const bool says_that_new_is_replaced = [] {
    new_is_replaced = true;
    return true;
}();

}  // namespace sim::detail
}  // namespace bight

// NOLINTBEGIN(misc-definitions-in-headers): these cannot be inline, and one file of a program includes them.
void* operator new(std::size_t size) {
    if (void* memory = bight::sim::detail::allocate_or_fail(size)) return memory;
    throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return bight::sim::detail::allocate_or_fail(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return bight::sim::detail::allocate_or_fail(size);
}
void operator delete(void* memory) noexcept { bight::sim::detail::give_back(memory); }
void operator delete[](void* memory) noexcept { bight::sim::detail::give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { bight::sim::detail::give_back(memory); }
void operator delete[](void* memory, std::size_t) noexcept { bight::sim::detail::give_back(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { bight::sim::detail::give_back(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    bight::sim::detail::give_back(memory);
}
// NOLINTEND(misc-definitions-in-headers)
