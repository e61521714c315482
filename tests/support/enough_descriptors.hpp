// enough_descriptors: for tests that open many.
#pragma once

#ifndef _WIN32
#include <sys/resource.h>
#endif

namespace test {

#ifdef _WIN32

/// Windows limits the number of sockets by nothing but memory
/// (learn.microsoft.com/windows/win32/winsock/maximum-number-of-sockets-supported-2).
class enough_descriptors {
  public:
    explicit enough_descriptors(unsigned) {}
    bool there() const { return true; }
};

#else

/// The soft limit of descriptors is at least `count`, until the end of the scope.
class enough_descriptors {
  public:
    explicit enough_descriptors(unsigned count) {
        ::getrlimit(RLIMIT_NOFILE, &old_);
        rlimit raised = old_;
        if (raised.rlim_cur < count) raised.rlim_cur = count;
        if (raised.rlim_max < raised.rlim_cur) return;
        there_ = ::setrlimit(RLIMIT_NOFILE, &raised) == 0;
    }
    enough_descriptors(const enough_descriptors&) = delete;
    enough_descriptors& operator=(const enough_descriptors&) = delete;
    ~enough_descriptors() { ::setrlimit(RLIMIT_NOFILE, &old_); }
    /// False when it cannot be.
    bool there() const { return there_; }

  private:
    rlimit old_{};
    bool there_ = false;
};

#endif

}  // namespace test
