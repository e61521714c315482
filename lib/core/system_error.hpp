// Error numbers of the system, and the error codes that users get for them.
#pragma once

#include <bight/core/export.hpp>

#include <cerrno>
#include <system_error>

namespace BIGHT_EXPORT bight {
namespace detail {

// What bight's own code passes on as an "error number" is an errno. On Windows its upper half has the code of
// GetLastError or WSAGetLastError that it stands for, or 0: so code that asks for a certain error compares
// errno_of(number), and users are told what Windows said. The numbers of what is no failure have no upper
// half, and can be compared as they are: ECANCELED, EAGAIN, EINPROGRESS, EINTR.

#if defined(_WIN32)

/// The number for an error of GetLastError or WSAGetLastError; EIO stands for one that is in no table.
int error_number(unsigned long windows_code) noexcept;
/// The number for GetLastError().
int last_error() noexcept;
/// The number for WSAGetLastError().
int last_socket_error() noexcept;

constexpr int errno_of(int number) noexcept { return number & 0xffff; }

/// The codes of GetLastError and WSAGetLastError, which equal the std::errc that they are documented for.
const std::error_category& windows_category() noexcept;
/// The code for users, which equals the std::errc of errno_of(number). In windows_category(); but in
/// errno_category() if `number` comes from no code of Windows.
std::error_code system_error_code(int number) noexcept;
/// Whether the system has given the code: it is in one of these two categories.
bool is_of_system(std::error_code code) noexcept;

#else

constexpr int errno_of(int number) noexcept { return number; }
/// The code for users.
inline std::error_code system_error_code(int number) noexcept { return {number, std::system_category()}; }
/// The number for the last call on a socket, which has failed.
inline int last_socket_error() noexcept { return errno; }
/// Whether the system has given the code.
inline bool is_of_system(std::error_code code) noexcept { return code.category() == std::system_category(); }

#endif

}  // namespace detail
}  // namespace bight
