// pipe_read_result, pipe_write_result: how a call on a pipe of Windows has ended.
#pragma once

#include "../core/system_error.hpp"

#include <windows.h>

#include <cerrno>
#include <cstdint>

namespace bight::detail {

/// Of a read that has failed. Where read(2) returns 0, it is no error: the other end has gone, or the file
/// ends.
inline std::int64_t pipe_read_result(DWORD error) noexcept {
    return error == ERROR_BROKEN_PIPE || error == ERROR_HANDLE_EOF ? 0 : -error_number(error);
}

/// Of a write that has failed.
inline std::int64_t pipe_write_result(DWORD error) noexcept {
    const bool nobody_reads = error == ERROR_BROKEN_PIPE || error == ERROR_NO_DATA;
    return nobody_reads ? -EPIPE : -error_number(error);
}

}  // namespace bight::detail
