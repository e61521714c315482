// watched_files: what a file_watch watches, and what it has yet to tell.
#pragma once

#include "inotify.hpp"

#include <bight/core/task.hpp>
#include <bight/os/file_watch.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

struct inotify_event;

namespace bight::detail {

class watched_files {
  public:
    watched_files() = default;
    watched_files(const watched_files&) = delete;
    watched_files& operator=(const watched_files&) = delete;
    ~watched_files() { close(); }

    task<> add(std::string path, bool recursive);
    bool remove(const std::string& path);
    std::size_t size() const noexcept { return watched_.size(); }
    task<file_event> next();
    void close() noexcept;

  private:
    struct watched {
        std::string path;
        bool recursive = false;
        bool is_directory = true;
        bool was_added = false;  ///< by a user, and not as a part of a tree
        /// Names that were told when the directory was listed, and of which an event may come yet.
        std::set<std::string> told;
    };
    struct event {
        int number = 0;
        std::uint32_t mask = 0;
        std::uint32_t cookie = 0;
        std::string name;
    };
    /// A directory that is to be watched and listed. It stays in its line until that is done: so a
    /// cancellation loses nothing.
    struct listing {
        std::string path;
        bool tells = false;
    };

    void need_queue();
    int watch(const std::string& path, bool recursive, bool was_added);
    task<> list_one(std::deque<listing>& line);
    bool parse(std::size_t at, event& into, std::size_t& next) const;
    task<> take_one();
    void take(const event& e);
    task<> take_moved(const event& from, std::size_t after);
    bool partner_of(const event& from, std::size_t after, event& to) const;
    void moved(const event& from, const event& to);
    void told_removed(const event& e);
    void created(const event& e);
    void overflowed();
    void rename_below(const std::string& from, const std::string& to);
    void forget_below(const std::string& path);
    const watched* find(const std::string& path) const noexcept;
    std::string path_of(const event& e) const;
    void tell(file_change what, std::string path, bool is_directory, std::string old_path = {});

    inotify_queue* queue_ = nullptr;
    bool closed_ = false;
    bool in_use_ = false;
    bool overflowed_ = false;         // and nobody was told
    std::map<int, watched> watched_;  // by the kernel's numbers
    std::deque<file_event> ready_;
    std::deque<listing> to_list_;
    std::vector<char> bytes_;         // of the kernel's events
    std::size_t taken_ = 0;           // of them
    std::set<std::uint32_t> paired_;  // cookies of moves that were told with their first half
    std::uint32_t waited_for_ = 0;    // the cookie of the move whose second half has been waited for
};

}  // namespace bight::detail
