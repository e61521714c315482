// disk_state: the contents of a simulated host's disk.
#pragma once

#include "../demux/change_feed.hpp"
#include "../demux/file_operation.hpp"

#include <bight/sim/random.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bight::sim::detail {

struct host_state;

/// A file or a directory. It exists as long as it has a name, or is open.
struct file_node {
    std::string bytes;
    std::string synced;  ///< the bytes that survive a crash
    std::uint64_t changes = 0;
    std::uint64_t changes_synced = 0;  ///< the value of `changes` for `synced`
    std::uint64_t names_synced = 0;    ///< of a directory: the changes of names that its last sync covered
    bight::detail::told_status status;

    bool is_directory() const noexcept;
};

class disk_state {
  public:
    using moment = bight::detail::told_status::moment;
    using node_ptr = std::shared_ptr<file_node>;

    /// `of` provides the time.
    explicit disk_state(const host_state& of);

    /// The state at the beginning of a sync. The sync covers it, and possibly later changes until it has
    /// ended.
    struct snapshot {
        std::string bytes;                      ///< of a file
        std::map<std::string, node_ptr> names;  ///< of a directory, without its path, which may change
        std::uint64_t changes = 0;
        std::uint64_t name_changes = 0;
    };
    snapshot begin_sync(const bight::detail::file_operation& op) const;

    /// Carries out an operation of a program, and returns its result. A new handle gets the number `handle`.
    /// A sync covers only `covered`, if given; a read or a write moves `most` bytes at most.
    std::int64_t perform(bight::detail::file_operation& op, int handle, const snapshot* covered = nullptr,
                         std::size_t most = std::size_t(-1));
    /// False when there is no such handle.
    bool close(bight::detail::native_handle handle) noexcept { return open_.erase(handle) > 0; }
    /// Simulates a power failure: drops what was not synced, and closes everything. With `torn`, of the bytes
    /// that were not synced some blocks are there, as these random numbers say.
    void lose_power(random_source* torn);

    /// The normal form of a path: from the root, without redundant parts.
    static std::string normal(std::string_view path);
    // These take paths in that form. Null when there is no such file; a directory is none.
    node_ptr find(const std::string& path) const;
    /// Finds the file, or makes it, and sets `into`: 0; -EISDIR, -ENOTDIR, -ENOENT.
    int find_or_make(const std::string& path, unsigned mode, node_ptr& into);
    /// Makes a directory with all that leads there: 0; -ENOTDIR.
    int make_directories(const std::string& path);
    /// 0; -ENOENT, -ENOTDIR, -EISDIR.
    int remove(const std::string& path);
    bool is_directory(const std::string& path) const;
    void sync(const node_ptr& file, const snapshot* covered = nullptr);
    void sync_directory(const std::string& path, const snapshot* covered = nullptr);
    void sync_all();
    /// Whether an open would make a file.
    bool makes_a_file(const bight::detail::file_operation& op) const;
    void touch(file_node& file) const;
    /// The paths of all files that are no directories, in order.
    std::vector<std::string> files() const;
    /// Tells of each change, until the end of that or of the power.
    void tell(bight::detail::change_listener& to) { listeners_.push_back(&to); }
    void tell_no_more(bight::detail::change_listener& to) noexcept { std::erase(listeners_, &to); }
    /// The bytes of the file have changed.
    void tell_changed(const node_ptr& file) const;
    /// Where a path leads: 0; -ENOENT, -ENOTDIR.
    int find(const std::string& path, std::string& whole, bool& is_directory) const;
    /// What is below a directory, each after what it is in.
    std::vector<bight::detail::change_feed::entry> below(const std::string& directory) const;

  private:
    using name_map = std::map<std::string, node_ptr>;
    struct handle_state {
        node_ptr file;
        std::string directory;  ///< its path, if it is one
        int flags = 0;
        int lock = bight::detail::lock_none;
    };
    struct done_rename {
        std::string from;
        std::string to;
        node_ptr what;
        std::uint64_t place = 0;  ///< among the changes of names
        name_map above;           ///< the directories that led to `to` then
    };

    moment now() const;
    void tell(bight::detail::path_change::kind what, const std::string& path, bool is_directory,
              const std::string& old_path = {}) const;
    /// Where a path leads to, and how: 0; -ENOENT, -ENOTDIR; -EXDEV when it leads out of `root`.
    int resolve(std::string_view path, std::string& into, const handle_state* root = nullptr) const;
    bool is_removed(const handle_state& directory) const;
    node_ptr named(const std::string& path) const;
    int why_not_in(const std::string& path) const;
    node_ptr add(const std::string& path, std::uint32_t mode);
    bool has_names_in(const std::string& directory) const;
    name_map names_in(const std::string& directory) const;
    name_map directories_above(const std::string& path) const;
    std::size_t renames_before(const std::string& path) const;
    void commit_renames(std::size_t count);
    void keep_name(const std::string& path, const node_ptr& node);
    void keep_path(const std::string& path);

    std::int64_t open(const bight::detail::file_operation& op, const std::string& path, int handle);
    std::int64_t open_beneath(const bight::detail::file_operation& op, const handle_state& root, int handle);
    std::int64_t read(const bight::detail::file_operation& op, const handle_state& from,
                      std::size_t most) const;
    std::int64_t write(const bight::detail::file_operation& op, const handle_state& to, std::size_t most);
    std::int64_t truncate(const bight::detail::file_operation& op, const handle_state& what) const;
    std::int64_t lock(const bight::detail::file_operation& op, handle_state& by);
    std::int64_t make_directory(const std::string& path, unsigned mode);
    std::int64_t rename(const std::string& from, const std::string& to);
    std::int64_t list(bight::detail::list_operation& op, const std::string& path) const;
    std::int64_t remove_directory(const std::string& path);
    std::int64_t perform_on_path(bight::detail::file_operation& op, int handle);

    const host_state& home_;
    node_ptr root_;
    name_map names_;
    name_map synced_names_;             // the names that survive a crash
    std::vector<done_rename> renames_;  // that do not survive one yet, in their order
    std::uint64_t name_changes_ = 0;
    std::uint64_t all_name_changes_synced_ = 0;
    std::map<bight::detail::native_handle, handle_state> open_;
    std::uint64_t last_inode_ = 0;
    std::vector<bight::detail::change_listener*> listeners_;
};

}  // namespace bight::sim::detail
