// From what a demultiplexer tells of a file to what users are told.
#pragma once

#include "../demux/file_operation.hpp"

#include <bight/os/file_status.hpp>

#include <chrono>
#include <cstdint>

namespace bight::detail {

// The numbers are those of every system.
inline file_type type_of_mode(std::uint32_t mode) noexcept {
    switch (mode & 0170000U) {
        case 0100000: return file_type::regular;
        case 0040000: return file_type::directory;
        case 0120000: return file_type::link;
        case 0010000: return file_type::fifo;
        case 0140000: return file_type::socket;
        case 0020000: return file_type::character_device;
        case 0060000: return file_type::block_device;
        default: return file_type::unknown;
    }
}

inline std::chrono::system_clock::time_point time_of(const told_status::moment& m) noexcept {
    using time = std::chrono::system_clock;
    return time::time_point(std::chrono::duration_cast<time::duration>(
        std::chrono::seconds(m.seconds) + std::chrono::nanoseconds(m.nanoseconds)));
}

inline bight::file_status file_status_of(const told_status& s) noexcept {
    bight::file_status out;
    out.type = type_of_mode(s.mode);
    out.permissions = s.mode & 07777U;
    out.size = s.size;
    out.links = s.links;
    out.inode = s.inode;
    out.user = s.user;
    out.group = s.group;
    out.accessed = time_of(s.accessed);
    out.modified = time_of(s.modified);
    out.changed = time_of(s.changed);
    return out;
}

}  // namespace bight::detail
