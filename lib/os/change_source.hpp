// change_source: what tells that an open file or directory has changed, and not what (kqueue).
#pragma once

#include <bight/core/task.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace bight::detail {

/// Something that is open, and told of.
struct told_file {
    int fd = -1;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    bool is_directory = false;
};

struct told_of_file {
    int fd = -1;
    bool contents = false;  ///< what is in it: of a directory names, and what they stand for
    bool status = false;
    bool gone = false;   ///< its last name is gone, or it is unmounted
    bool moved = false;  ///< it has another name
};

class change_source {
  public:
    virtual ~change_source() = default;
    /// Opens what a name stands for, and tells of it from then on: 0, or -errno. Links are followed only if
    /// that is asked for: otherwise ELOOP. What is no directory and no regular file is EINVAL.
    virtual int open(int in, const std::string& name, bool follow_link, told_file& made) = 0;
    virtual void close(int fd) noexcept = 0;
    /// Whether no name stands for it any more.
    virtual bool is_removed(int fd) noexcept = 0;
    /// Appends what has been told since the last call.
    virtual void take(std::vector<told_of_file>& to) = 0;
    /// Until there is something to take, or `end` is called.
    virtual task<> wait() = 0;
    virtual void end() noexcept = 0;
    virtual bool is_open() const noexcept = 0;
};

}  // namespace bight::detail
