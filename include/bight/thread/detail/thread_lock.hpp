// thread_lock: a mutex between threads, for headers that do without <mutex>.
#pragma once

#include <bight/core/export.hpp>

namespace BIGHT_EXPORT bight {
namespace detail {

/// A mutex, for std::lock_guard and the like. The constructor throws std::bad_alloc.
class thread_lock {
  public:
    thread_lock();
    thread_lock(const thread_lock&) = delete;
    thread_lock& operator=(const thread_lock&) = delete;
    ~thread_lock();
    void lock() noexcept;
    void unlock() noexcept;

  private:
    struct contents;
    contents* contents_;
};

}  // namespace detail
}  // namespace bight
