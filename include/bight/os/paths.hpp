// Files by their paths: status, directories, renames, removals.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/os/file_status.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace BIGHT_EXPORT bight {

// Each is an operation of the reactor's demultiplexer, as those of `file`: on io_uring the kernel's,
// elsewhere one of its threads'; on a simulated host on its disk. Errors are std::system_error with the
// errno, and name the call and the path. Cancelling waits for what has begun, and delivers its result. Paths
// are the system's, UTF-8 on Windows. Thread: a reactor's.

/// The status of what the path names; with follow_link of what a symbolic link there leads to.
task<file_status> path_status(std::string path, bool follow_link = true);
/// False when nothing is there; other errors are thrown.
task<bool> path_exists(std::string path);

/// Gives a file or directory another name, in the place of what had that name, in one step: whoever opens
/// `to` meanwhile gets the old file or the new one (rename(2)). A directory takes the place of an empty one
/// only. Not from one file system to another (EXDEV). It lasts, whatever happens, when both directories have
/// been synced: sync_directory.
task<> rename_path(std::string from, std::string to);
/// Removes a name of a file, or a link; who has it open keeps it. A directory is an error (EISDIR, on macOS
/// EPERM).
task<> remove_file(std::string path);

struct directory_entry {
    std::string name;                     ///< without the directory
    file_type type = file_type::unknown;  ///< of the name itself: a link is a link
};

/// The names in a directory, but . and .., in alphabetical order of their bytes. Throws EOVERFLOW when there
/// are more than `most`: they are all in memory.
task<std::vector<directory_entry>> list_directory(std::string path, std::size_t most = 1'000'000);
/// Makes a directory in one that is there; EEXIST when something has the name.
task<> create_directory(std::string path, unsigned permissions = 0777);
/// Makes it with all that leads there, as far as it is missing. Gives whether the last one was missing.
/// ENOENT for an empty path, where nothing can be made (in /proc, in a directory that was removed), and when
/// others remove a part of it meanwhile.
task<bool> create_directories(std::string path, unsigned permissions = 0777);
/// Removes an empty directory (ENOTEMPTY otherwise).
task<> remove_directory(std::string path);
/// Removes a directory with all that is in it, or a file; links are removed, and not followed. Gives how many
/// names it was; 0 when nothing was there. What others make there meanwhile may stay (ENOTEMPTY). When it
/// fails or is cancelled, a part is gone. Not safe against others who may write in the tree: they can put a
/// link in the place of a directory. At most 1000 names of a directory are in memory at a time.
task<std::size_t> remove_tree(std::string path);
/// Completes when the names in this directory are on the disk: what was created, renamed and removed in it
/// (fsync(2) of the directory). Does nothing on Windows, which has no such call.
task<> sync_directory(std::string path);
/// The directory that a path's last name is in: "/etc" of "/etc/hosts", "." of "hosts". Text only.
std::string directory_of(std::string_view path);

}  // namespace bight
