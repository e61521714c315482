// What a plain thread blocks in: kept out of the headers, which need neither <mutex> nor
// <condition_variable> for it.
#pragma once

#include <bight/core/export.hpp>

namespace BIGHT_EXPORT bight {
namespace detail {

/// A mutex, for std::lock_guard and its like. Throws std::bad_alloc.
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

/// Where one thread sleeps until another lets it go on: each `park` returns after one `unpark`, whichever
/// comes first. What was written before `unpark` is seen after `park`.
class parker {
  public:
    /// That of this thread; it lives as long as the thread.
    static parker& of_this_thread();
    void park() noexcept;
    /// Thread: any. It touches nothing after it has let the other thread go on.
    void unpark() noexcept;

  private:
    struct contents;
    explicit parker(contents& c) noexcept : contents_(c) {}
    contents& contents_;
};

/// Throws std::system_error (errc::wrong_thread) when a reactor runs on this thread: `what` would block it.
/// `instead` says what to write there.
void refuse_on_reactor(const char* what, const char* instead);

}  // namespace detail
}  // namespace bight
