// many_descriptors: lets the process have as many descriptors as a test needs.
#pragma once

#ifndef _WIN32

#include "skip.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <string>

#endif

namespace test {

#ifdef _WIN32

/// Windows has no limit that could be raised.
class many_descriptors {
  public:
    explicit many_descriptors(unsigned) {}
};

#else

/// While it lives, so many can be open, if the system allows that.
class many_descriptors {
  public:
    explicit many_descriptors(rlim_t count) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit wanted = before_;
        wanted.rlim_cur = std::min(count, wanted.rlim_max);
        ::setrlimit(RLIMIT_NOFILE, &wanted);
    }
    many_descriptors(const many_descriptors&) = delete;
    many_descriptors& operator=(const many_descriptors&) = delete;
    ~many_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_{};
};

/// Skips the test case where a process may not have so many.
inline many_descriptors need_descriptors(rlim_t count) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < count)
        skip("a process may have " + std::to_string(limit.rlim_max) + " descriptors at most");
    return many_descriptors(count);
}

#endif

}  // namespace test
