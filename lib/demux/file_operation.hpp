// file_operation: operations on files and paths.
#pragma once

#include "operation.hpp"

#include <cstddef>
#include <cstdint>

#if defined(_WIN32)
// Flags that its <fcntl.h> has not.
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_REMOVEDIR 0x200
#define O_DIRECTORY 0x200000
#define O_DSYNC 0x400000
#endif

namespace bight::detail {

/// The status of a file (stat(2)).
struct file_status {
    struct moment {
        std::int64_t seconds = 0;  ///< since the epoch
        std::uint32_t nanoseconds = 0;
    };
    std::uint32_t mode = 0;  ///< type and permissions, as in st_mode
    std::uint32_t user = 0;
    std::uint32_t group = 0;
    std::uint64_t links = 0;
    std::uint64_t size = 0;  ///< in bytes
    std::uint64_t inode = 0;
    moment accessed;
    moment modified;
    moment changed;
};

/// An operation on a file or a path: open_file, close_file, read_at, write_at, sync_file, stat_path,
/// stat_file or remove_path. Any number of them may be in progress at a time, in no particular order. One
/// that has begun is not interrupted: it completes with its result even if it was cancelled, and the caller
/// must close a file that it has opened.
class file_operation : public operation {
  public:
    native_handle file = invalid_handle;
    const char* path = nullptr;  ///< relative to the working directory of the process; UTF-8 on Windows
    int flags = 0;          ///< open: O_…, to which O_CLOEXEC is added; stat_path: AT_SYMLINK_NOFOLLOW or 0;
                            ///< remove_path: AT_REMOVEDIR for a directory; sync_file: 1 for the data only
    unsigned mode = 0;      ///< open: the permissions of a new file
    mutable_buffer memory;  ///< read_at
    const_buffer bytes;     ///< write_at
    std::uint64_t offset = 0;
    file_status status;  ///< stat_path, stat_file: the answer
    demultiplexer_space<256> space;

  protected:
    ~file_operation() = default;
};

/// The most bytes that the system reads from or writes to a file in one call.
inline constexpr std::size_t most_in_one_call = 0x7fff'f000;

/// Why nothing can be read at an offset of this file, such as a pipe: an error number; 0 when it can. io_uring
/// would read such a file where it stands, and wait.
int refuses_offsets(native_handle file) noexcept;

/// Carries out the operation on this thread, which may block, and returns its result.
std::int64_t perform(file_operation& op) noexcept;

}  // namespace bight::detail
