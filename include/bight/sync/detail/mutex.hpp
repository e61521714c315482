// Implementation of bight/sync/mutex.hpp.
#pragma once

#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

class condition;
class mutex;

namespace detail {
class condition_waiter;

/// A task that waits for a mutex.
class mutex_waiter : public listed_waiter {
  public:
    mutex_waiter() noexcept = default;
    mutex_waiter(mutex_waiter&&) noexcept = default;

  protected:
    friend class bight::mutex;
    ~mutex_waiter() = default;
    /// This task holds the lock now, and has been removed from the queue.
    virtual void granted() noexcept { ready(); }
};

class lock_awaiter;
class lock_request;
}  // namespace detail

}  // namespace bight
