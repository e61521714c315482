// Whether an open waits for the other end of a FIFO, and what becomes of that afterwards.
#pragma once

#include "../demux/descriptor_calls.hpp"
#include "../demux/native_handle.hpp"
#include "../demux/socket_calls.hpp"

#include <fcntl.h>

namespace bight::detail {

#if defined(_WIN32)
inline constexpr int without_waiting = 0;
inline void make_waiting(native_handle) noexcept {}
#else
inline constexpr int without_waiting = O_NONBLOCK | O_NOCTTY;
/// Of a regular file: io_uring would answer EAGAIN for what is not in memory.
inline void make_waiting(native_handle file) noexcept {
    if (file < first_simulated_descriptor) set_blocking(file);
}
#endif

}  // namespace bight::detail
