// What opens a path below a directory.
#pragma once

#include "file_operation.hpp"

#if defined(__linux__)
#include <fcntl.h>
#include <linux/openat2.h>
#endif

namespace BIGHT_EXPORT bight {
namespace detail {

#if defined(__linux__)
/// What openat2(2) is told. It refuses permissions without a file to be made.
inline open_how how_beneath(int flags, unsigned mode) noexcept {
    open_how how{};
    how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
    how.mode = (flags & O_CREAT) != 0 ? mode & 07777U : 0;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    return how;
}
#endif

/// The same without openat2(2), with the same results and errors: EXDEV for a path that leads out.
std::int64_t walk_beneath(const file_operation& op) noexcept;

}  // namespace detail
}  // namespace bight
