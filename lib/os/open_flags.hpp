// The flags of open(2) for the options of users.
#pragma once

#include "file_error.hpp"

#include "../demux/file_operation.hpp"

#include <bight/os/file.hpp>

#include <fcntl.h>

#include <cerrno>
#include <string>

namespace bight::detail {

/// What systems do not agree on: with access to read, Linux empties a file too, if this user may write it.
inline void check_options(const std::string& path, const open_options& options) {
    if (options.truncate && options.access == file_access::read) {
        refuse_file(EINVAL,
                    "open " + printable(path) + " with open_options::truncate, which needs access to write");
    }
    if (options.append && options.access == file_access::read) {
        refuse_file(EINVAL,
                    "open " + printable(path) + " with open_options::append, which needs access to write");
    }
    check_permissions("open", path, options.permissions);
}

inline int open_flags(const open_options& options) noexcept {
    int flags = options.access == file_access::read    ? O_RDONLY
                : options.access == file_access::write ? O_WRONLY
                                                       : O_RDWR;
    if (options.creation != file_creation::never) flags |= O_CREAT;
    if (options.creation == file_creation::must_be_new) flags |= O_EXCL;
    if (options.truncate) flags |= O_TRUNC;
    if (options.append) flags |= O_APPEND;
    if (!options.follow_link) flags |= O_NOFOLLOW;
    if (options.synchronous) flags |= O_DSYNC;
    return flags;
}

}  // namespace bight::detail
