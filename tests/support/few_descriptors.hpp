// few_descriptors: makes the process run out of descriptors soon.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace test {

/// While it lives, only this many more descriptors can be opened.
class few_descriptors {
  public:
    explicit few_descriptors(int more) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        // The system limits the numbers of descriptors, and allocates the lowest free one.
        const int lowest = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::close(lowest);
        rlimit few = before_;
        few.rlim_cur = static_cast<rlim_t>(lowest + more);
        ::setrlimit(RLIMIT_NOFILE, &few);
    }
    few_descriptors(const few_descriptors&) = delete;
    few_descriptors& operator=(const few_descriptors&) = delete;
    ~few_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_{};
};

}  // namespace test
