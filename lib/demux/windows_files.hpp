// What the demultiplexers of Windows have in common for files.
#pragma once

#include "native_handle.hpp"
#include "windows_handle.hpp"

#include <windows.h>

#include <cstdint>
#include <string>

namespace bight::detail {

/// Beside the flags of open(2): calls on the handle may be overlapped.
inline constexpr int opened_overlapped = 0x1000000;

/// UTF-16 of UTF-8. Empty if it is none. Throws std::bad_alloc.
std::wstring to_utf16(const char* text);

/// A path as the calls of Windows take it, also when it is long. Throws std::bad_alloc.
std::wstring native_path(const char* path);

/// What a read or a write gives that has ended with this error of the system's.
std::int64_t failed_read(native_handle file, unsigned long error) noexcept;
std::int64_t failed_write(native_handle file, unsigned long error) noexcept;

/// FILE_GENERIC_… for the flags of open(2).
unsigned long access_of(int flags) noexcept;
/// What an open gives that found this file: it closes it unless that is what the flags ask for.
std::int64_t wanted_file(native_handle file, int flags) noexcept;
std::int64_t set_end_of_file(native_handle file, std::uint64_t size) noexcept;

}  // namespace bight::detail
