// What a system calls the things that programs open.
#pragma once

#include <cstdint>

namespace bight::detail {

#if defined(_WIN32)
/// Holds a SOCKET and a HANDLE alike.
using native_handle = std::uintptr_t;
inline constexpr native_handle invalid_handle = ~native_handle{0};
#else
using native_handle = int;
inline constexpr native_handle invalid_handle = -1;
#endif

}  // namespace bight::detail
