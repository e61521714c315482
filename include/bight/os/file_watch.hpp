// file_watch: tells what changes in directories.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace BIGHT_EXPORT bight {

namespace detail {
class watch_state;
}

enum class file_change : std::uint8_t {
    created,  ///< a name is new: made, linked, or moved here from where nothing is watched
    changed,  ///< what is in it, or its status
    moved,    ///< from one name to another, both in what is watched
    removed,  ///< a name is gone: removed, or moved to where nothing is watched
    overflow  ///< more has happened than the system has kept: look at all of it again
};

struct file_event {
    file_change what = file_change::overflow;
    std::string path;      ///< as it was added, with the name in it; empty for an overflow
    std::string old_path;  ///< moved: the former one
    bool is_directory = false;
};

/// Tells what changes in directories, and in all that is below them, in the order in which it happened.
///
///     bight::file_watch watch;
///     co_await watch.add("/etc/app", true);
///     for (;;) {
///         const bight::file_event event = co_await watch.next();
///         …
///     }
///
/// A directory that is made below a recursive one is watched, too, without a gap: what is in it by then is
/// told as created, and no name twice. Links are not followed. A file that takes the place of another one by
/// a rename is told as moved (or created), and nothing of the other one. A write may be told several times,
/// and several writes once. A path that is watched itself, and is removed, moved or unmounted, is told as
/// removed, and not watched any more; as a part of a tree that is watched it moves with that. When a
/// directory is found to be another one than was told, it is told as removed and created, with all that is in
/// it. A directory below that may not be read is left out.
///
/// A file may be watched by itself, but what replaces it is another one: watch its directory. Removed while
/// somebody has it open it is told as changed, and as removed when that has been closed.
///
/// For what happens on this machine: of a file system over the network only what is done here is told, and
/// nothing of /proc and /sys. By inotify(7) on Linux, ReadDirectoryChangesW on Windows, kqueue(2) on macOS
/// and the BSDs, and on a simulated host by its disk; docs/os/file_watch.md says what differs. Thread: that
/// of the reactor whose task called `add` first.
class file_watch {
  public:
    file_watch();
    file_watch(const file_watch&) = delete;
    file_watch& operator=(const file_watch&) = delete;
    /// Watches nothing any more. A task that waits in next() gets errc::closed.
    ~file_watch();

    /// From when this has ended, what happens in `path` is told; if `recursive`, also in all directories
    /// below. A directory that is watched already keeps the path that it has, but a root becomes a part of
    /// the tree in which it is found, and has its path there. Throws std::system_error:
    /// ENOENT, EACCES, and ENOSPC, ENFILE or EMFILE when the system watches no more
    /// (fs.inotify.max_user_watches, max_user_instances; descriptors, with kqueue). Cancelled or failed, a
    /// part may be watched.
    task<> add(std::string path, bool recursive = false);
    /// False when it was not added. What was added below it, and what is a part of another tree, is watched
    /// on. What has happened before may still be told.
    bool remove(const std::string& path);
    /// How many directories and files are watched. On a simulated host a tree is one.
    std::size_t size() const noexcept;

    /// The next change. Cancelling loses none. One task at a time: another gets errc::busy. Throws
    /// errc::closed when the watch is destroyed meanwhile, and ENOSPC or EMFILE when something new cannot be
    /// watched: it is tried again with the next call.
    task<file_event> next();

  private:
    std::shared_ptr<detail::watch_state> state_;
};

}  // namespace bight
