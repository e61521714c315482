// listed_files: a file_watch where a system tells only that a directory has changed: it is listed again.
#pragma once

#include "change_source.hpp"
#include "file_watcher.hpp"

#include <bight/core/export.hpp>
#include <bight/sync/event.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The model is a tree of what is open: each directory of a tree, and each name in a directory that is
/// watched. Directories are opened by name in their directory, which is open itself, and listed by their
/// descriptor: so it is always that one, wherever it is by now. The directories that have changed are listed,
/// all of them, until none has changed meanwhile; then what is gone and what has come is compared by the
/// numbers of the files: a number that is gone here and has come there is a move. Each is open, so that no
/// number is used again meanwhile.
class listed_files final : public file_watcher {
  public:
    explicit listed_files(std::unique_ptr<change_source> source) : source_(std::move(source)) {}
    listed_files(const listed_files&) = delete;
    listed_files& operator=(const listed_files&) = delete;
    ~listed_files() override;

    task<> add(std::string path, bool recursive) override;
    bool remove(const std::string& path) override;
    std::size_t size() const noexcept override;
    task<file_event> next() override;
    void close() noexcept override { source_->end(); }

  private:
    struct node;
    using node_pointer = std::shared_ptr<node>;
    struct node {
        node* parent = nullptr;
        std::string name;                   ///< in its parent
        std::vector<std::string> added_as;  ///< a root: the paths of users
        std::uint64_t listed_inode = 0;     ///< as a list of its parent says
        told_file file;             ///< fd -1: it could not be opened, or is neither file nor directory
        bool is_recursive = false;  ///< what is below it is watched, too
        bool is_listed = false;
        bool is_being_added = false;  ///< a root
        bool is_root() const noexcept { return !added_as.empty(); }
        /// Of a directory that is listed.
        std::map<std::string, node_pointer> children;
    };
    struct name_in_list {
        std::uint64_t inode = 0;
        bool is_directory = false;
        bool may_be_opened = false;
    };
    using name_list = std::map<std::string, name_in_list>;
    using lists = std::vector<std::pair<std::weak_ptr<node>, name_list>>;
    /// What is no more at its place.
    struct gone_node {
        node_pointer what;
        std::string path;
        node* in;
        std::string name;
    };
    class being_added;
    struct new_name {
        node_pointer in;
        std::string name;
        name_in_list what;
    };

    // Listing (listed_changes.cpp)
    static task<std::optional<name_list>> list(int fd);
    task<> list_changed();
    void compare(lists& all);
    void tell_moves(std::list<gone_node>& gone, std::list<new_name>& come);
    void place_moved(gone_node& from, new_name& to);
    bool make(const new_name& made, bool is_told);
    static bool is_replaced(const gone_node& g, const std::list<new_name>& come);
    void tell_removed(const gone_node& g);
    void read_source();
    void take(const told_of_file& told);

    static const node& root_of(const node& n) noexcept;
    bool may_be_listed(int fd) const;
    bool has_work() const;
    void forget(node& top) noexcept;
    void end_root(node& n);
    void dirty(const node& n);
    static std::string path_of(const node& n);
    node_pointer pointer_to(const node& n) const;
    bool is_told_elsewhere(const node& n) const;
    void tell(const node& in, file_change what, std::string path, bool is_directory,
              std::string old_path = {});

    std::unique_ptr<change_source> source_;
    bool in_use_ = false;
    std::vector<node_pointer> roots_;
    std::map<int, node*> open_;  // by descriptor
    std::set<int> changed_;      // directories that are to be listed
    std::deque<file_event> ready_;
    int failed_ = 0;                                 // why a name could not be opened, which nobody was told
    std::vector<std::weak_ptr<node>> to_try_again_;  // where
    std::size_t adding_ = 0;
    manual_reset_event added_;  // there is no add under way
};

}  // namespace detail
}  // namespace bight
