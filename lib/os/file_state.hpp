// file_state: what a file and the operations on it refer to.
#pragma once

#include "../demux/file_operation.hpp"
#include "../demux/native_handle.hpp"

#include <bight/os/detail/file.hpp>

#include <string>
#include <utility>

namespace bight {

class file;

namespace detail {

struct file_state {
    native_handle handle = invalid_handle;
    std::string path;
    bool appends = false;
    bool has_offsets = false;  ///< it was asked, and has: why_no_offsets
    handle_note note;
    unsigned users = 1;   ///< references
    unsigned in_use = 0;  ///< operations under way; a stream over it counts as one
};

/// Why nothing of the file is at an offset, as in a pipe: ESPIPE, or 0. The system is asked once.
int why_no_offsets(file_state& of) noexcept;

/// The file is in use while this is there: no close takes its descriptor away.
class file_use {
  public:
    file_use() noexcept = default;
    explicit file_use(file_state_ref of) noexcept : of_(std::move(of)) { ++of_->in_use; }
    file_use(const file_use&) = delete;
    file_use& operator=(const file_use&) = delete;
    ~file_use() { end(); }
    void end() noexcept {
        if (!of_) return;
        --of_->in_use;
        of_ = {};
    }
    explicit operator bool() const noexcept { return static_cast<bool>(of_); }
    file_state* operator->() const noexcept { return of_.get(); }

  private:
    file_state_ref of_;
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
