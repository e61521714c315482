// report_pipe: learns the numbers of processes that no handle knows, or knows no longer.
#pragma once

#include "support/catch.hpp"

#include <bight/core/task.hpp>
#include <bight/thread/offload.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace test {

/// Also of a zombie.
inline bool is_alive(int pid) { return ::kill(pid, 0) == 0; }

/// A pipe of the system, through which a child says its number.
class report_pipe {
  public:
    report_pipe() { REQUIRE(::pipe2(ends_, O_CLOEXEC) == 0); }
    report_pipe(const report_pipe&) = delete;
    report_pipe& operator=(const report_pipe&) = delete;
    ~report_pipe() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    int child_end() const noexcept { return ends_[1]; }
    /// The first line.
    bight::task<int> number() {
        const int from = ends_[0];
        auto first_line = [from] {
            std::string line;
            char c = 0;
            while (::read(from, &c, 1) == 1 && c != '\n') line += c;
            return std::stoi(line);
        };
        co_return co_await bight::offload(std::move(first_line));
    }

  private:
    int ends_[2] = {-1, -1};
};

}  // namespace test
