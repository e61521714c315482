// native_handle: the system's type of descriptors or handles.
#pragma once

#include <cstdint>

namespace bight::detail {

#if defined(_WIN32)
/// Large enough for a SOCKET and for a HANDLE.
using native_handle = std::uintptr_t;
inline constexpr native_handle invalid_handle = ~native_handle{0};
#else
using native_handle = int;
inline constexpr native_handle invalid_handle = -1;
#endif

}  // namespace bight::detail
