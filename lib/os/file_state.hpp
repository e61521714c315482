// file_state: what a file and the operations on it refer to.
#pragma once

#include "../demux/native_handle.hpp"

#include <bight/os/detail/file.hpp>

#include <string>

namespace bight {

class file;

namespace detail {

struct file_state {
    native_handle handle = invalid_handle;
    std::string path;
    bool appends = false;
    unsigned users = 1;
};

/// What makes a file, and looks into it, in other sources than its own.
struct file_access_key {
    static file make(file_state_ref state) noexcept;
    static file_state_ref share(const file& f) noexcept;  ///< empty for an empty file
};

/// Throws EBADF: "sync a file that is not open".
void check_open(const file_state_ref& on, const char* call);

/// Without waiting.
void close_in_place(native_handle handle) noexcept;

}  // namespace detail
}  // namespace bight
