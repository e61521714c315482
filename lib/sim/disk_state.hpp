// disk_state: the contents of a simulated host's disk.
#pragma once

#include "../demux/file_operation.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bight::sim::detail {

struct host_state;

/// A file. It exists as long as it has a name, or is open.
struct file_node {
    std::string bytes;
    std::string synced;  ///< the bytes that survive a crash
    std::uint64_t changes = 0;
    std::uint64_t changes_synced = 0;  ///< the value of `changes` for `synced`
    bight::detail::file_status status;
};

class disk_state {
  public:
    using moment = bight::detail::file_status::moment;
    using node_ptr = std::shared_ptr<file_node>;

    /// `of` provides the time.
    explicit disk_state(const host_state& of) noexcept : home_(of) {}

    /// The state at the beginning of a sync. The sync covers it, and possibly later changes until it has
    /// ended.
    struct snapshot {
        std::string bytes;                      ///< of a file
        std::map<std::string, node_ptr> names;  ///< of a directory
        std::uint64_t changes = 0;
    };
    snapshot begin_sync(const bight::detail::file_operation& op) const;

    /// Carries out an operation of a program, and returns its result. A new handle gets the number `handle`.
    /// A sync covers only `covered`, if given.
    std::int64_t perform(bight::detail::file_operation& op, int handle, const snapshot* covered = nullptr);
    /// Simulates a power failure: drops what was not synced, and closes everything.
    void lose_power();

    /// The normal form of a path: from the root, without redundant parts.
    static std::string normal(std::string_view path);
    // These take paths in that form. Null when there is no such file.
    node_ptr find(const std::string& path) const;
    /// Finds the file, or makes it, and sets `into`: 0; -EISDIR, -ENOTDIR.
    int find_or_make(const std::string& path, unsigned mode, node_ptr& into);
    /// 0; -ENOENT, -EISDIR.
    int remove(const std::string& path);
    bool is_directory(const std::string& path) const;
    void sync(const node_ptr& file, const snapshot* covered = nullptr);
    void sync_directory(const std::string& path, const snapshot* covered = nullptr);
    void sync_all();
    void touch(file_node& file) const;
    const std::map<std::string, node_ptr>& files() const noexcept { return names_; }

  private:
    struct handle_state {
        node_ptr file;          ///< null for a directory
        std::string directory;  ///< its path
        int flags = 0;
    };

    moment now() const;
    std::int64_t open(const bight::detail::file_operation& op, int handle);
    std::int64_t read(const bight::detail::file_operation& op, const handle_state& from) const;
    std::int64_t write(const bight::detail::file_operation& op, const handle_state& to);
    std::int64_t remove_path(const bight::detail::file_operation& op);
    std::int64_t tell(bight::detail::file_operation& op, const file_node* file) const;
    bool is_below_a_file(const std::string& path) const;
    std::map<std::string, node_ptr> names_in(const std::string& directory) const;

    const host_state& home_;
    std::map<std::string, node_ptr> names_;
    std::map<std::string, node_ptr> synced_names_;  // the names that survive a crash
    std::uint64_t name_changes_ = 0;
    std::map<std::string, std::uint64_t> name_changes_synced_;  // by directory
    std::uint64_t all_name_changes_synced_ = 0;
    std::map<bight::detail::native_handle, handle_state> open_;
    std::uint64_t last_inode_ = 1;  // the root's
};

}  // namespace bight::sim::detail
