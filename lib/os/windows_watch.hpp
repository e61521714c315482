// windows_watch: a file_watch by ReadDirectoryChangesW.
#pragma once

#include "change_descriptor.hpp"
#include "file_watcher.hpp"
#include "windows_directory_reader.hpp"

#include "../demux/file_operation.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bight::detail {

/// Of each path that was added it knows all names, and what they stand for: so it tells what is in a
/// directory that comes from elsewhere, and that a name which goes here and one that comes there are a move.
/// An event that tells what a list has told already changes nothing.
class windows_watch final : public file_watcher {
  public:
    windows_watch() = default;
    windows_watch(const windows_watch&) = delete;
    windows_watch& operator=(const windows_watch&) = delete;
    ~windows_watch() override { close(); }

    task<> add(std::string path, bool recursive) override;
    bool remove(const std::string& path) override;
    std::size_t size() const noexcept override;
    task<file_event> next() override;
    void close() noexcept override;

  private:
    struct known {
        bool is_directory = false;
        std::uint64_t inode = 0;
    };
    /// By the path from the root on.
    class known_names {
      public:
        using map = std::map<std::string, known>;
        const map& all() const noexcept { return names_; }
        const known* find(const std::string& name) const noexcept;
        /// Another name of this file; empty when there is none.
        std::string same_file(const std::string& name, std::uint64_t inode) const;
        /// False when it is known already.
        bool add(const std::string& name, const known& what);
        void erase(const std::string& name);
        void move(const std::string& from, const std::string& to);

      private:
        map::iterator erase(map::iterator at);
        map names_;
        std::multimap<std::uint64_t, std::string> by_inode_;
    };
    struct root {
        std::vector<std::string> added_as;
        std::string whole;  ///< of the directory itself, or that of a file
        std::string name;   ///< in `around`
        bool is_directory = true;
        bool is_recursive = false;
        bool gone = false;
        std::unique_ptr<directory_reader> own;     ///< null for a file
        std::unique_ptr<directory_reader> around;  ///< the directory it is in; null for a drive
        known_names names;
    };
    using root_pointer = std::shared_ptr<root>;
    struct event {
        std::weak_ptr<root> of;
        bool is_around = false;
        directory_reader::news news = directory_reader::news::some;
        DWORD action = 0;
        std::string name;
        bool was_waited_for = false;         ///< for what belongs to it
        std::optional<std::uint64_t> inode;  ///< of a name that is new, when it was asked for
    };

    void need_queue();
    bool is_open() const noexcept { return queue_ && queue_->is_open(); }
    HANDLE event_handle() const noexcept;
    void scan();
    bool scan(const root_pointer& r, bool around);

    task<> take_one();
    task<> take_added(root_pointer r, std::string name);
    task<> take_removed(root_pointer r, std::string name);
    task<> take_renamed(root_pointer r, std::string name);
    task<> take_overflow(root_pointer r);
    task<> wait_for_more();
    task<known_names> list(std::string top, bool recursive);
    task<known_names> list_if_there(std::string top);
    void told_around(root& r, DWORD action);
    std::optional<std::size_t> find_pending(const root& r, DWORD action, const std::string& name) const;
    task<> moved(root_pointer r, std::string from, std::string to, std::size_t event_to_drop);
    void end(root& r, bool is_told);

    bool is_silent(const root& r) const noexcept;
    bool is_told_by_another(const root& r) const noexcept;
    void tell_changed(std::string path);
    void tell(const root& r, file_change what, const std::string& name, bool is_directory,
              const std::string& old_name = {});

    change_descriptor* queue_ = nullptr;  // its handle is an event
    bool is_closed_ = false;
    bool in_use_ = false;
    std::vector<root_pointer> roots_;
    std::deque<event> pending_;
    std::deque<file_event> ready_;
};

}  // namespace bight::detail
