// file_status: what the system knows of a file.
#pragma once

#include <bight/core/export.hpp>

#include <chrono>
#include <cstdint>

namespace BIGHT_EXPORT bight {

/// What a name in a directory stands for.
enum class file_type : std::uint8_t {
    unknown,  ///< the system does not say, or it is none of these
    regular,
    directory,
    link,  ///< a symbolic link
    fifo,
    socket,
    character_device,
    block_device,
};

/// The status of a file (stat(2)). On Windows there are no users and groups (they are 0), and of the
/// permissions only whether the file may be written.
struct file_status {
    file_type type = file_type::unknown;
    unsigned permissions = 0;  ///< as for chmod(2): 0644
    std::uint64_t size = 0;    ///< in bytes
    std::uint64_t links = 0;   ///< how many names it has
    std::uint64_t inode = 0;   ///< its number in its file system
    std::uint32_t user = 0;
    std::uint32_t group = 0;
    std::chrono::system_clock::time_point accessed;
    std::chrono::system_clock::time_point modified;  ///< the last change of what is in it
    std::chrono::system_clock::time_point changed;   ///< the last change of that, or of its status
};

}  // namespace bight
