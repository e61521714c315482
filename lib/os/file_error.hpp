// Errors of operations on files.
#pragma once

#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace bight::detail {

/// Throws the error of a result below zero: "open /etc/shadow: Permission denied".
[[noreturn]] inline void throw_file_error(const std::string& call, std::string_view path,
                                          std::int64_t result) {
    throw std::system_error(system_error_code(static_cast<int>(-result)),
                            path.empty() ? call : call + " " + printable(path));
}

inline void check_file_result(std::int64_t result, const char* call, std::string_view path) {
    if (result < 0) throw_file_error(call, path, result);
}

/// An error that bight itself finds: an errno.
[[noreturn]] inline void refuse_file(int number, const std::string& why) {
    throw std::system_error(number, errno_category(), why);
}

/// The system takes a path up to its first zero byte.
inline void check_path(const char* call, const std::string& path) {
    if (path.find('\0') != std::string::npos) {
        refuse_file(EINVAL, std::string(call) + " " + printable(path) + ": a path without zero bytes");
    }
}

/// A number that was meant to be octal: 644 is 01204.
inline void check_permissions(const char* call, const std::string& path, unsigned permissions) {
    if (permissions <= 0777) return;
    std::string octal;
    for (; permissions > 0; permissions /= 8)
        octal.insert(octal.begin(), static_cast<char>('0' + permissions % 8));
    refuse_file(EINVAL, std::string(call) + " " + printable(path) + " with permissions of 0" + octal +
                            ": they are at most 0777, an octal number such as 0644");
}

}  // namespace bight::detail
