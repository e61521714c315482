// Implementation of bight/sync/condition.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/sync/mutex.hpp>

#include <coroutine>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

/// Waits first in the condition's queue, then in the mutex's.
class [[nodiscard("co_await it"), gnu::warn_unused]] condition_waiter final
    : public mutex_waiter,
      public awaiter_base<condition_waiter> {
  public:
    condition_waiter(condition& on, mutex_guard& guard) noexcept : condition_(&on), guard_(&guard) {}
    condition_waiter(condition_waiter&&) noexcept = default;

    void await_resume() const noexcept {}

    void cancel() noexcept override;
    void describe(std::string& out) const override;

  private:
    friend class bight::condition;
    friend awaiter_base<condition_waiter>;
    bool suspend(promise_base& p) noexcept;
    void notified(bool alone) noexcept;
    bool try_lock() noexcept;
    void queue_for_lock() noexcept;
    void granted() noexcept override;

    condition* condition_;
    mutex_guard* guard_;
    mutex* mutex_ = nullptr;
    bool notified_ = false;
    bool passes_on_ = false;  // notify_one chose it, and it has not got the lock yet
    bool cancelled_ = false;
};

}  // namespace detail

}  // namespace bight
