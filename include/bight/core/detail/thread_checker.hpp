// thread_checker: detects the use of an object for one thread's tasks from another thread.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Remembers the thread of the reactor in which it was first used. In builds without NDEBUG, use from any
/// other thread aborts with a message that names the ways to cross threads; with NDEBUG it costs nothing. It
/// has the same size in both, so that a library and a program may be built differently.
///
/// Before its first use within a reactor any thread may use it (to set things up), and so may the next
/// reactor of the same thread, and the same reactor when it runs on another thread.
class thread_checker {
  public:
    /// `what` names the object in the message: "a mutex".
    void check([[maybe_unused]] const char* what) const noexcept {
#ifndef NDEBUG
        check_in(reactor::current(), what);
#endif
    }
    /// The same for callers that know the running reactor.
    void check([[maybe_unused]] const reactor& here, [[maybe_unused]] const char* what) const noexcept {
#ifndef NDEBUG
        check_in(&here, what);
#endif
    }
    /// The same for destructors, which may run without a reactor: in main(), say, after the reactor's thread
    /// has been joined.
    void check_at_end([[maybe_unused]] const char* what) const noexcept {
#ifndef NDEBUG
        if (const reactor* const here = reactor::current()) check_in(here, what);
#endif
    }

  private:
    void check_in(const reactor* here, const char* what) const noexcept {
        if (!here || here != home_) settle(here, what);
    }
    void settle(const reactor* here, const char* what) const noexcept;

    mutable const reactor* home_ = nullptr;
    mutable const void* thread_ = nullptr;
};

}  // namespace detail
}  // namespace bight
