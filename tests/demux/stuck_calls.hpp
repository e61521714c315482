// stuck_calls: calls on files that block, until the test lets them go on.
#pragma once

#include "demux/file_operation.hpp"

#include "support/catch.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef _WIN32
#include <windows.h>
#endif

#include <string>
#include <utility>

namespace test {

#ifdef _WIN32

/// Reads of a pipe to which nothing is written.
class stuck_calls {
  public:
    explicit stuck_calls(const std::string&) { REQUIRE(::CreatePipe(&read_, &write_, nullptr, 0)); }
    stuck_calls(const stuck_calls&) = delete;
    stuck_calls& operator=(const stuck_calls&) = delete;
    ~stuck_calls() {
        let_go();
        ::CloseHandle(read_);
    }

    void prepare(bight::detail::file_operation& op) {
        op.kind = bight::detail::operation_kind::read_at;
        op.file = reinterpret_cast<bight::detail::native_handle>(read_);
        op.memory = bight::mutable_buffer(&byte_, 1);
    }
    void let_go() {
        if (write_) ::CloseHandle(std::exchange(write_, nullptr));
    }
    static void clean_up(const bight::detail::file_operation&) {}

  private:
    HANDLE read_ = nullptr;
    HANDLE write_ = nullptr;
    char byte_ = 0;
};

#else

/// Each opens a named pipe that nobody has opened to write.
class stuck_calls {
  public:
    /// The pipe is in `directory`.
    explicit stuck_calls(const std::string& directory) : path_(directory + "/stuck") {
        REQUIRE(::mkfifo(path_.c_str(), 0600) == 0);
    }
    stuck_calls(const stuck_calls&) = delete;
    stuck_calls& operator=(const stuck_calls&) = delete;
    ~stuck_calls() {
        if (writer_ >= 0) ::close(writer_);
        ::unlink(path_.c_str());
    }

    /// Makes it an operation that blocks.
    void prepare(bight::detail::file_operation& op) const {
        op.kind = bight::detail::operation_kind::open_file;
        op.path = path_.c_str();
        op.flags = O_RDONLY;
    }
    /// From now on none of them blocks.
    void let_go() {
        if (writer_ < 0) writer_ = ::open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
        REQUIRE(writer_ >= 0);
    }
    /// Closes what one of them has opened.
    static void clean_up(const bight::detail::file_operation& op) {
        if (op.result >= 0) ::close(static_cast<int>(op.result));
    }

  private:
    std::string path_;
    int writer_ = -1;
};

#endif

}  // namespace test
