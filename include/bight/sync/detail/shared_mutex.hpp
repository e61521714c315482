// Implementation of bight/sync/shared_mutex.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
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

class shared_mutex;

namespace detail {

class shared_mutex_waiter : public listed_waiter, public awaiter_base<shared_mutex_waiter> {
  public:
    void cancel() noexcept override;
    void describe(std::string& out) const override;

  protected:
    shared_mutex_waiter(shared_mutex& of, bool shared) noexcept : mutex_(&of), shared_(shared) {}
    shared_mutex_waiter(shared_mutex_waiter&&) noexcept = default;
    ~shared_mutex_waiter() = default;
    shared_mutex& mutex() const noexcept { return *mutex_; }

  private:
    friend class bight::shared_mutex;
    friend awaiter_base<shared_mutex_waiter>;
    bool suspend(promise_base& p) noexcept;
    shared_mutex* mutex_;
    bool shared_;
};

/// The common part of exclusive_guard and shared_guard.
template <class Unlock>
class shared_mutex_hold {
  public:
    shared_mutex_hold() noexcept = default;
    shared_mutex_hold(shared_mutex_hold&& other) noexcept : mutex_(other.release()) {}
    shared_mutex_hold& operator=(shared_mutex_hold&& other) noexcept {
        shared_mutex_hold taken(std::move(other));
        std::swap(mutex_, taken.mutex_);
        return *this;
    }
    ~shared_mutex_hold() { unlock(); }

    /// Unlocks now, if it holds a lock.
    void unlock() noexcept {
        if (mutex_) Unlock{}(*std::exchange(mutex_, nullptr));
    }
    /// Gives up ownership without unlocking: the caller must unlock the returned mutex (null when it held
    /// none).
    shared_mutex* release() noexcept { return std::exchange(mutex_, nullptr); }

    bool owns_lock() const noexcept { return mutex_ != nullptr; }
    explicit operator bool() const noexcept { return owns_lock(); }

  protected:
    explicit shared_mutex_hold(shared_mutex& held) noexcept : mutex_(&held) {}

  private:
    shared_mutex* mutex_ = nullptr;
};

struct unlock_exclusive {
    void operator()(shared_mutex& m) const noexcept;
};
struct unlock_shared {
    void operator()(shared_mutex& m) const noexcept;
};

class exclusive_awaiter;
class shared_awaiter;

}  // namespace detail

}  // namespace bight
