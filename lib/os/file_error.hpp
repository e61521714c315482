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

}  // namespace bight::detail
