// plain_file: a file for tests of fd_watch.
#pragma once

#include "support/connections.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace test {

/// A regular file without a name.
inline raw_socket plain_file() {
    std::string name = (std::filesystem::temp_directory_path() / "bight-XXXXXX").string();
    raw_socket made(::mkstemp(name.data()));
    ::unlink(name.c_str());
    ::fcntl(made.get(), F_SETFD, FD_CLOEXEC);
    return made;
}

}  // namespace test
