// sent_file: what the file servers send.
#pragma once

#include "bench.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

namespace bench {

inline constexpr std::size_t sent_file_size = std::size_t{1} << 28;

/// A descriptor of a file that has no name any more, and is in the page cache. Longer answers send it again
/// and again.
inline int sent_file() {
    std::string name = (std::filesystem::temp_directory_path() / "bight-bench-XXXXXX").string();
    const int fd = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd < 0) fail("mkostemp");
    ::unlink(name.c_str());
    const std::vector<char> part(std::size_t{1} << 20, 'x');
    for (std::size_t written = 0; written < sent_file_size; written += part.size()) {
        if (::write(fd, part.data(), part.size()) != static_cast<ssize_t>(part.size())) fail("write");
    }
    return fd;
}

}  // namespace bench
