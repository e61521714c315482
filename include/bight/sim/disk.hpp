// disk: what a simulated host keeps when its power fails.
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

/// The disk of a simulated host, for tests and for the programs on it: whole files, at once and without
/// virtual time. Programs of the host see the same files by their own operations, which take their time.
///
/// A crash leaves what was synced: of a file its bytes at the last sync of it, and its name; a file that was
/// never synced is gone, and one that was removed is there again unless its directory was synced after that
/// (fsync(2)). A sync of a program takes time: it covers what was there as it began, and what came after that
/// in some worlds only. A test may look while the host is down.
///
/// Every directory exists. Paths are from the root, whether or not they begin with "/". What cannot be done
/// throws std::system_error that names the path: ENOENT, EISDIR, ENOTDIR. Refers to the host; copies are of
/// the same disk. Thread: the world's.
class disk {
  public:
    /// The file has these bytes now, and no others. It is made if there is none.
    void write(std::string_view path, std::string_view bytes);
    /// The file has these bytes at its end now. It is made if there is none.
    void append(std::string_view path, std::string_view bytes);
    /// What the file has; nullopt when there is none.
    std::optional<std::string> read(std::string_view path) const;
    void remove(std::string_view path);
    /// What a file has is there after a crash, with its name; for a directory: which names it has, and not
    /// what is in the files.
    void sync(std::string_view path);
    /// The same for everything.
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
