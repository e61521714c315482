// change_feed: the changes of the files of a demultiplexer that has files of its own (a simulated host).
#pragma once

#include "native_handle.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace bight::detail {

/// Paths are whole, from the root, and normal.
struct path_change {
    enum class kind : std::uint8_t { created, changed, moved, removed };
    kind what;
    const std::string& path;
    const std::string& old_path;  ///< moved
    bool is_directory;
    bool is_lost = false;  ///< as if a queue of the kernel had no room for it
};

/// Is told of each change, of any file, when it has happened. It begins no operations then.
class change_listener {
  public:
    virtual void changed(const path_change& change) = 0;

  protected:
    ~change_listener() = default;
};

/// Tells its listener as long as it exists and the host has power.
class change_feed {
  public:
    virtual ~change_feed() = default;
    /// A descriptor that can be read while this is set, to be attached and closed by its owner.
    virtual native_handle handle() const noexcept = 0;
    virtual void set_readable(bool on) = 0;
    /// Where a path leads: 0, or -errno.
    virtual int find(const std::string& path, std::string& whole, bool& is_directory) const = 0;

    struct entry {
        std::string path;
        bool is_directory;
    };
    /// What is below a directory, each after what it is in.
    virtual std::vector<entry> below(const std::string& directory) const = 0;
};

}  // namespace bight::detail
