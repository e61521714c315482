// file_watcher: what a file_watch stands on.
#pragma once

#include <bight/core/task.hpp>
#include <bight/os/file_watch.hpp>

#include <cstddef>
#include <memory>
#include <string>

namespace bight {
class reactor;
}

namespace bight::detail {

/// One for each way in which a system tells of changes. The calls are those of file_watch, on the thread of
/// its reactor; it outlives the tasks that they make. After `close` these end with errc::closed.
class file_watcher {
  public:
    virtual ~file_watcher() = default;
    virtual task<> add(std::string path, bool recursive) = 0;
    virtual bool remove(const std::string& path) = 0;
    virtual std::size_t size() const noexcept = 0;
    virtual task<file_event> next() = 0;
    virtual void close() noexcept = 0;
};

/// The system's own. Throws std::system_error: errc::unavailable.
std::unique_ptr<file_watcher> make_system_watcher();
/// For a reactor of a simulated host. Throws std::system_error.
std::unique_ptr<file_watcher> make_simulated_watcher(reactor& home);

/// As a path is kept: "/a/b/" is "/a/b".
inline std::string without_slash(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

/// A name in a directory.
inline std::string joined(const std::string& directory, std::string_view name) {
    std::string path = directory;
    if (!path.ends_with('/')) path += '/';
    return path.append(name);
}

/// Says that a task is in `next`, of which there is one at a time.
class next_in_use {
  public:
    /// Throws errc::busy.
    explicit next_in_use(bool& flag);
    next_in_use(const next_in_use&) = delete;
    next_in_use& operator=(const next_in_use&) = delete;
    ~next_in_use() { flag_ = false; }

  private:
    bool& flag_;
};

/// Throws errc::closed.
[[noreturn]] void refuse_closed_watch();

}  // namespace bight::detail
