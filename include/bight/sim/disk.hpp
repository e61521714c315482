// disk: the simulated disk of a host, which survives its crashes.
#pragma once

#include <bight/core/export.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace sim {

class host;

namespace detail {
class disk_state;
}  // namespace detail

/// Direct access to the disk of a simulated host, for tests: reads and writes whole files at once, without
/// virtual time. Programs on the host see the same files through their own file operations, which take time.
///
/// Programs use open_file and the like (bight/os/file.hpp).
///
/// A crash leaves what was synced: a file has its bytes as of its last sync, and its name; a file that was
/// never synced is gone, and a removed one is back, unless its directory was synced after the removal
/// (fsync(2)). A rename is there in whole or not at all, and lasts when the file, or one of its directories,
/// was synced after it, or something in the directory that was renamed. With fault::torn_write some of what was written and not synced is there, too. A sync
/// by a program takes time: it covers what was there when it began, and only in some
/// worlds what was written during it. A test may look while the host is down.
///
/// At first there is a directory /tmp. What is written here is made with its directories; a program makes
/// them itself. Paths start at the root, whether or not they begin with "/". Errors are thrown as
/// std::system_error that names the path: ENOENT, EISDIR, ENOTDIR. A disk refers to its host; copies refer to
/// the same disk. Thread: the world's.
class disk {
  public:
    /// Replaces the contents of the file. Creates it if there is none.
    void write(std::string_view path, std::string_view bytes);
    /// Appends to the file. Creates it if there is none.
    void append(std::string_view path, std::string_view bytes);
    /// The contents of the file; nullopt when there is none.
    std::optional<std::string> read(std::string_view path) const;
    void remove(std::string_view path);
    /// Makes a directory, and those that lead there, as far as they are missing. ENOTDIR.
    void create_directories(std::string_view path);
    /// Makes the contents and the name of a file survive a crash; for a directory the names in it, but not
    /// the contents of the files.
    void sync(std::string_view path);
    /// Syncs everything.
    void sync_all();
    /// The paths of all files, in order.
    std::vector<std::string> files() const;

  private:
    friend class host;
    explicit disk(detail::disk_state& state) noexcept : state_(&state) {}
    detail::disk_state* state_;
};

}  // namespace sim
}  // namespace bight
