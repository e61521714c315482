// followed_files: a file_watch where each change is told with its whole paths, when it happens.
#pragma once

#include "change_descriptor.hpp"
#include "file_watcher.hpp"

#include "../demux/change_feed.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace bight::detail {

/// On a simulated host. Nothing is listed, but what comes into a tree from elsewhere: each change is taken
/// when it happens, so what was added, and where it is by now, is always known.
class followed_files final : public file_watcher, private change_listener {
  public:
    /// Throws std::system_error.
    explicit followed_files(reactor& home);
    followed_files(const followed_files&) = delete;
    followed_files& operator=(const followed_files&) = delete;
    ~followed_files() override { close(); }

    task<> add(std::string path, bool recursive) override;
    bool remove(const std::string& path) override;
    std::size_t size() const noexcept override { return roots_.size(); }
    task<file_event> next() override;
    void close() noexcept override;

  private:
    /// A directory or a file that was added.
    struct root {
        std::vector<std::string> added_as;  ///< paths of users'; it is told under the first
        std::string whole;                  ///< where it is
        bool is_directory = true;
        bool is_recursive = false;
    };

    /// Is there as long as the feed.
    class feed_descriptor final : public change_descriptor {
      public:
        using change_descriptor::change_descriptor;
        void abandoned() noexcept override { feed.reset(); }
        std::unique_ptr<change_feed> feed;
    };

    void need_open() const;
    bool is_open() const noexcept { return queue_ && queue_->is_open(); }
    void changed(const path_change& change) override;
    void moved(const path_change& change);
    const root* teller_of(const std::string& path) const noexcept;
    static std::string told_path(const root& in, const std::string& path);
    void end_roots_at(const std::string& path, bool is_told);
    void tell(file_change what, std::string path, bool is_directory, std::string old_path = {});
    void tell_overflow();

    reactor& home_;
    feed_descriptor* queue_ = nullptr;
    std::vector<root> roots_;  // in the order in which they were added
    std::deque<file_event> ready_;
    bool in_use_ = false;
};

}  // namespace bight::detail
