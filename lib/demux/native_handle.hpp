// native_handle: the system's type of descriptors or handles.
#pragma once

#include <cstdint>

namespace bight::detail {

#if defined(_WIN32)
/// A SOCKET or a HANDLE. Those are unsigned and pointers there, and their values fit 31 bits; with a sign,
/// none is -1 here, too, and a handle or a negative error number fits an int (socket_calls).
using native_handle = std::intptr_t;
inline constexpr native_handle invalid_handle = -1;
#else
using native_handle = int;
inline constexpr native_handle invalid_handle = -1;
#endif

}  // namespace bight::detail
