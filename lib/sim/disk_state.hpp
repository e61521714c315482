// What is on the disk of a simulated host.
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

/// It is there as long as it has a name, or is open.
struct file_node {
    std::string bytes;
    std::string synced;  ///< those that a crash leaves
    std::uint64_t changes = 0;
    std::uint64_t changes_synced = 0;  ///< of `synced`
    bight::detail::file_status status;
};

class disk_state {
  public:
    using moment = bight::detail::file_status::moment;
    using node_ptr = std::shared_ptr<file_node>;

    /// `of` says what the time is.
    explicit disk_state(const host_state& of) noexcept : home_(of) {}

    /// What there is as a sync begins. That much it covers, and maybe of what changes until it has ended.
    struct snapshot {
        std::string bytes;                      ///< of a file
        std::map<std::string, node_ptr> names;  ///< of a directory
        std::uint64_t changes = 0;
    };
    snapshot begin_sync(const bight::detail::file_operation& op) const;

    /// Carries out an operation of a program: its result. A new handle is `handle`. Of a sync only what was
    /// there as it began is covered if that is given.
    std::int64_t perform(bight::detail::file_operation& op, int handle, const snapshot* covered = nullptr);
    /// What was not synced is gone, and nothing is open.
    void lose_power();

    /// The same path in one form: from the root, without what means nothing.
    static std::string normal(std::string_view path);
    // Of paths in that form. Null when there is no such file.
    node_ptr find(const std::string& path) const;
    /// 0 and the file at `into`, made if there is none; -EISDIR, -ENOTDIR.
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
    std::map<std::string, node_ptr> synced_names_;  // those that a crash leaves
    std::uint64_t name_changes_ = 0;
    std::map<std::string, std::uint64_t> name_changes_synced_;  // by directory
    std::uint64_t all_name_changes_synced_ = 0;
    std::map<int, handle_state> open_;
    std::uint64_t last_inode_ = 1;  // the root's
};

}  // namespace bight::sim::detail
