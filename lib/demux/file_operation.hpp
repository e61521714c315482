// file_operation: operations on files and paths.
#pragma once

#include "operation.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#if defined(_WIN32)
// Flags that its <fcntl.h> has not.
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_REMOVEDIR 0x200
#define O_DIRECTORY 0x200000
#define O_DSYNC 0x400000
#define O_NOFOLLOW 0x800000
#endif

namespace bight::detail {

/// The status of a file (stat(2)).
struct told_status {
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

/// The offset of a write to a file that was opened with O_APPEND: its end.
inline constexpr std::uint64_t at_the_end = std::numeric_limits<std::uint64_t>::max();
/// The offset of a read or write at the position of the open file, which moves on with it, for all who share
/// the file; with O_APPEND a write goes to the end. Not on Windows, and not on simulated disks.
inline constexpr std::uint64_t at_the_position = at_the_end;

/// What a demultiplexer has found out of a handle, kept beside that.
struct handle_note {
    std::uint64_t port = 0;      ///< iocp: the number of the port that it belongs to; 0: not asked yet
    bool skips_packets = false;  ///< iocp: no packet comes for a call that has succeeded at once
};

/// An operation on a file or a path, of one of the kinds from open_file to remove_path. Any number of them
/// may be in progress at a time, in no particular order. One that has begun is not interrupted: it completes
/// with its result even if it was cancelled, and the caller must close a file that it has opened.
class file_operation : public operation {
  public:
    native_handle file = invalid_handle;  ///< open_beneath: the directory
    const char* path = nullptr;  ///< list_directory: null for that of `file`, not on Windows. Relative to the
                                 ///< working directory of the process; UTF-8 on Windows
    const char* new_path = nullptr;  ///< rename_path
    int flags = 0;          ///< open: O_…, to which O_CLOEXEC is added; stat_path: AT_SYMLINK_NOFOLLOW or 0;
                            ///< remove_path: AT_REMOVEDIR for a directory; sync_file: 1 for the data only;
                            ///< lock_file: a lock_kind
    unsigned mode = 0;      ///< open, make_directory: the permissions of what is new
    mutable_buffer memory;  ///< read_at; unless there are pieces
    const_buffer bytes;     ///< write_at; the same
    const mutable_buffer* into = nullptr;  ///< read_at: several pieces
    const const_buffer* from = nullptr;    ///< write_at: the same
    std::size_t piece_count = 0;           ///< of `into` or `from`; at most pieces_of_a_call
    std::uint64_t offset = 0;              ///< truncate_file: the new size
    handle_note* note = nullptr;           ///< read_at, write_at: of `file`; null: nobody keeps one

  protected:
    ~file_operation() = default;
};

/// An operation of kind stat_path, stat_file or open_beneath.
class status_operation : public file_operation {
  public:
    told_status status;  ///< the answer to the first two
    demultiplexer_space<256> space;

  protected:
    ~status_operation() = default;
};

/// A name in a directory.
struct directory_name {
    std::string name;
    std::uint32_t type = 0;   ///< as in st_mode; 0: the system does not say
    std::uint64_t inode = 0;  ///< of the name itself; of a mount that of the directory below it
};

/// An operation of kind list_directory. Result: how many; -EOVERFLOW when there are more than `most`.
class list_operation : public file_operation {
  public:
    std::size_t most = 0;
    std::vector<directory_name> names;  ///< without . and ..; in no order

  protected:
    ~list_operation() = default;
};

/// What lock_file does, without waiting: -EAGAIN when another open file has it.
enum lock_kind : int { lock_none, lock_shared, lock_exclusive };

/// The most bytes that the system reads from or writes to a file in one call.
inline constexpr std::size_t most_in_one_call = 0x7fff'f000;

/// Why nothing can be read at an offset of this file, such as a pipe: an error number; 0 when it can.
/// io_uring would read such a file where it stands, and wait, and write to it.
int refuses_offsets(native_handle file) noexcept;

/// Opens a path that must not lead out of the directory op.file; open_beneath of perform.
std::int64_t open_beneath(const file_operation& op) noexcept;

/// Carries out the operation on this thread, which may block, and returns its result.
std::int64_t perform(file_operation& op) noexcept;

}  // namespace bight::detail
