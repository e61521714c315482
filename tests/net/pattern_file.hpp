// pattern_file: a file of known bytes, open as send_file takes it.
#pragma once

#include "support/catch.hpp"
#include "support/connections.hpp"

#include <bight/net/send_file.hpp>

#include <fcntl.h>
#include <unistd.h>

#ifdef _WIN32
#include <io.h>
#endif

#include <cstddef>
#include <fstream>
#include <ios>
#include <string>

namespace test {

/// Has the first `size` bytes of `pattern`.
class pattern_file {
  public:
    explicit pattern_file(std::size_t size) {
        std::ofstream(path(), std::ios::binary) << pattern(0, size);
#ifdef _WIN32
        fd_ = ::open(path().c_str(), O_RDONLY | O_BINARY);
#else
        fd_ = ::open(path().c_str(), O_RDONLY | O_CLOEXEC);
#endif
        REQUIRE(fd_ >= 0);
    }
    pattern_file(const pattern_file&) = delete;
    pattern_file& operator=(const pattern_file&) = delete;
    ~pattern_file() { ::close(fd_); }

    std::string path() const { return directory_.file("bytes"); }
    int fd() const noexcept { return fd_; }
    bight::native_file handle() const noexcept {
#ifdef _WIN32
        return ::_get_osfhandle(fd_);
#else
        return fd_;
#endif
    }

  private:
    temporary_directory directory_;
    int fd_ = -1;
};

}  // namespace test
