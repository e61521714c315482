// root_directory: a directory that the paths below it cannot leave.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/os/file.hpp>
#include <bight/os/file_status.hpp>

#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {

/// A directory, open, below which files are opened by paths that others have made up: for a server of files.
/// Whatever the path says, and whatever links are there or are put there meanwhile, nothing outside of the
/// directory is opened: a path that leads out (by "..", by a symbolic link, by a leading "/") is EXDEV, also
/// when it would come back. Links that stay inside are followed. It goes on with the directory that was
/// opened when that is renamed or another one gets its name.
///
///     const bight::root_directory root = co_await bight::open_root("/srv/www");
///     bight::file page = co_await root.open(path_of_request);
///
/// What is neither a regular file nor a directory is EACCES, and waits for nobody.
/// A path does not tell what its owner wants to be seen: a server refuses names such as ".git" itself, and
/// paths with "\" on Windows. Move-only. Thread and cancelling: as `file`.
///
/// Linux: openat2(2), RESOLVE_BENEATH; where that is not to be had, and on macOS and the BSDs, a walk that
/// opens one name after the other, with the same errors, and a path may be 128 directories deep
/// (ENAMETOOLONG). The same on Windows, but for links, which are not followed there (ELOOP), and names that
/// stand for another file (EINVAL: streams, dots and spaces at the end).
class root_directory {
  public:
    root_directory() noexcept = default;

    /// Opens a file in it, or the directory itself ("."). Errors are those of open_file, EXDEV and EACCES.
    task<file> open(std::string path, open_options options = {}) const;
    /// The directory as a file: for its status, and to be synced.
    const file& directory() const noexcept { return directory_; }

  private:
    friend task<root_directory> open_root(std::string path);
    explicit root_directory(file directory) noexcept : directory_(std::move(directory)) {}
    file directory_;
};

/// Opens a directory as a root. The path itself may lead anywhere. ENOTDIR when it is none.
task<root_directory> open_root(std::string path);

}  // namespace bight
