// watched_files: what a file_watch watches, and what it has yet to tell.
#pragma once

#include "file_watcher.hpp"
#include "inotify.hpp"

#include <bight/core/duration.hpp>
#include <bight/core/task.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bight::detail {

/// The model of what is watched: a tree of directories, as it is after the events that have been taken. The
/// kernel's events change it in their order; what a directory is found to contain belongs to a later time,
/// the end of the queue. See "Watching" in docs/design/files.md.
class watched_files final : public file_watcher {
  public:
    watched_files() = default;
    watched_files(const watched_files&) = delete;
    watched_files& operator=(const watched_files&) = delete;
    ~watched_files() override;

    task<> add(std::string path, bool recursive) override;
    bool remove(const std::string& path) override;
    std::size_t size() const noexcept override { return numbers_.size(); }
    task<file_event> next() override;
    void close() noexcept override;

  private:
    /// A directory, or a file that was added by itself.
    struct node {
        node* parent = nullptr;  ///< in whose tree it is
        std::string name;        ///< in its parent
        std::string added_as;    ///< the path by which a user added it
        bool added = false;
        bool added_recursively = false;
        bool is_directory = true;
        bool listed = false;
        bool gone = false;  ///< no part of the model any more
        int number = -1;    ///< the kernel's, of its watch
        std::map<std::string, std::shared_ptr<node>> children;
        /// The names in it, as told, until all events have been taken that were in the queue when it had been
        /// listed. Those may tell what the list has told, or what was there before it.
        std::set<std::string> told;
        std::uint64_t told_until = 0;

        bool is_recursive() const noexcept { return is_directory && (parent || added_recursively); }
    };
    using node_pointer = std::shared_ptr<node>;
    struct event {
        int number = 0;
        std::uint32_t mask = 0;
        std::uint32_t cookie = 0;
        std::string name;
        std::uint64_t place = 0;  ///< in the queue
    };
    enum class listing : std::uint8_t {
        silent,  ///< what is in it was there before it was watched
        telling,
        check  ///< only when another directory has its path
    };
    /// A directory that is to be watched and listed. It stays in its line until that is done: so a
    /// cancellation loses nothing.
    struct job {
        std::weak_ptr<node> of;
        listing how = listing::silent;
    };
    using line = std::list<job>;
    /// A name that may be there, and of which no event tells.
    struct look {
        std::weak_ptr<node> in;
        std::string name;
    };
    using key = std::pair<int, std::string>;

    void need_queue();
    bool is_open() const noexcept { return !closed_ && queue_ && queue_->is_open(); }

    // Listing
    bool is_blocked(const node& n) const;
    bool is_pending(int number, const std::string& name) const;
    int watch(const std::string& path, bool as_directory);
    void give_number(const node_pointer& to, int number);
    bool adopt(const node_pointer& found, int number);
    task<> list_one(line& of, bool reads_queue);
    task<> look_one();

    // The kernel's events
    void read_queue();
    void drop_event() noexcept;
    task<> take_one();
    void take(const event& e);
    const event* partner_of(const event& from) const noexcept;
    bool is_unknown(const node& n, const event& e) const;
    void created(node& in, const event& e);
    void removed(node& in, const event& e);
    void moved(node& from, const event& e, node& to, const event& to_event);
    void renamed(node& from, const event& e, node& to, const event& to_event);
    void ended(node& n, bool is_unmounted);
    void overflowed();

    // The model
    node* at_number(int number) const noexcept;
    node_pointer find(const std::string& path) const;
    static std::string path_of(const node& n);
    static node_pointer child_of(node& in, const std::string& name);
    /// Of a directory and all below it, those above first.
    static line checks_of(const node_pointer& top);
    node_pointer pointer_to(node& n) const;
    static bool contains(const node& n, const node& below) noexcept;
    void drop_child(node& in, const std::string& name) noexcept;
    void forget(node& top, bool keeps_added) noexcept;
    void drop_number(node& n) noexcept;
    void unlist_added(const node& n) noexcept;
    void tell(file_change what, std::string path, bool is_directory, std::string old_path = {});

    inotify_queue* queue_ = nullptr;
    bool closed_ = false;
    bool in_use_ = false;
    bool overflowed_ = false;                    // and nobody was told
    std::map<std::string, node_pointer> added_;  // by the path that a user gave
    std::map<int, node*> numbers_;
    std::list<file_event> ready_;
    line jobs_;
    std::list<look> looks_;
    std::vector<char> bytes_;  // of the kernel's events
    std::size_t parsed_ = 0;   // of them
    std::deque<event> pending_;
    std::map<key, std::size_t> pending_names_;  // how many of them change what a name stands for
    std::uint64_t read_ = 0;                    // events, of all time
    std::set<std::uint32_t> paired_;            // cookies of moves that were told with their first half
    std::uint64_t waits_for_ = 0;               // the second half of the move whose first one is here
    std::optional<time_point> waited_since_;
    std::uint64_t waited_until_ = 0;  // the second halves of moves before this place are there
    event last_from_;                 // the last move that was told
    event last_to_;
};

}  // namespace bight::detail
