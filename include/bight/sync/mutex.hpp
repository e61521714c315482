// mutex: mutual exclusion between tasks, also across awaits.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/sync/detail/mutex.hpp>

#include <coroutine>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

class condition;
class mutex;

/// Holds a mutex locked, and unlocks it when destroyed. Moving it moves the lock. The mutex must outlive it.
/// Thread: the reactor's.
class [[nodiscard("the mutex is unlocked when the guard goes: give it a name")]] mutex_guard {
  public:
    /// Holds nothing.
    mutex_guard() noexcept = default;
    /// Takes over a lock that was taken out of a guard with release().
    static mutex_guard adopt(mutex& held) noexcept { return mutex_guard(held); }
    mutex_guard(mutex_guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    mutex_guard& operator=(mutex_guard&& other) noexcept {
        mutex_guard taken(std::move(other));
        std::swap(mutex_, taken.mutex_);
        return *this;
    }
    inline ~mutex_guard();

    /// Unlocks now, if it holds a lock.
    void unlock() noexcept;
    /// Gives up ownership without unlocking: the caller must unlock the returned mutex (null when it held
    /// none).
    mutex* release() noexcept { return std::exchange(mutex_, nullptr); }

    bool owns_lock() const noexcept { return mutex_ != nullptr; }
    explicit operator bool() const noexcept { return owns_lock(); }

  private:
    friend class mutex;
    friend class detail::lock_awaiter;
    friend class detail::condition_waiter;
    explicit mutex_guard(mutex& held) noexcept : mutex_(&held) {}
    mutex* mutex_ = nullptr;
};

/// Mutual exclusion between the tasks of one reactor, for data that must stay locked across an await.
/// (Between two awaits no other task runs, so code that does not await needs no lock.)
///
/// Strictly first in, first out: unlocking passes the lock to the task that has waited longest, which runs in
/// the next turn; no other task can take it in between. It is not recursive: a task that locks it twice waits
/// for itself.
///
/// Destroying it while it is locked ends the process with a message; so does unlocking it through a guard
/// that adopted it while it was not locked. Thread: the reactor's; another thread's use is caught in debug
/// builds.
class mutex {
  public:
    mutex() noexcept = default;
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;
    ~mutex() {
        if (users_ > 0) destroyed_locked();
    }

    /// `co_await m.lock()` gives a mutex_guard. A free mutex is locked at once, without suspending. A
    /// cancelled task leaves the queue; one that has been given the lock still gets its guard, and is
    /// cancelled at its next await, where the guard passes the lock on.
    detail::lock_request lock() noexcept;

    /// A guard that holds the lock, or holds nothing when the mutex is locked.
    mutex_guard try_lock() noexcept {
        home_.check("a mutex");
        return try_take() ? mutex_guard(*this) : mutex_guard();
    }

    /// Does not compile. std::lock_guard, std::unique_lock and std::scoped_lock call it; they would lock
    /// nothing, because lock() must be awaited.
    template <class Never = void>
    void unlock() noexcept {
        static_assert(!std::is_void_v<Never>,
                      "a bight::mutex is locked by `auto guard = co_await m.lock();` "
                      "and unlocked by its guard: the locks of std would lock nothing");
    }

    bool locked() const noexcept { return users_ > 0; }

  private:
    friend class mutex_guard;
    friend class detail::lock_awaiter;
    friend class detail::condition_waiter;

    bool try_take() noexcept {
        if (users_ > 0) return false;
        users_ = 1;
        return true;
    }
    void give_up() noexcept {
        home_.check("a mutex");
        if (users_ == 1) {
            users_ = 0;
        } else {
            hand_over();
        }
    }
    void enqueue(detail::mutex_waiter& w) noexcept {
        waiters_.push_back(w);
        ++users_;
    }
    void leave(detail::mutex_waiter& w) noexcept {
        waiters_.remove(w);
        --users_;
    }
    void hand_over() noexcept;
    [[noreturn]] void destroyed_locked() const noexcept;

    detail::wait_list<detail::mutex_waiter> waiters_;
    std::size_t users_ = 0;  // the task that holds the lock, and those that wait for it
    detail::thread_checker home_;
};

inline void mutex_guard::unlock() noexcept {
    if (mutex_) std::exchange(mutex_, nullptr)->give_up();
}

inline mutex_guard::~mutex_guard() {
    if (mutex_) mutex_->give_up();
}

namespace detail {

class [[nodiscard("co_await it"), gnu::warn_unused]] lock_awaiter final : public mutex_waiter,
                                                                          public awaiter_base<lock_awaiter> {
  public:
    explicit lock_awaiter(mutex& of) noexcept : mutex_(of) {}

    mutex_guard await_resume() const noexcept { return mutex_guard(mutex_); }

    void cancel() noexcept override {
        mutex_.leave(*this);
        confirm_cancel();
    }
    void describe(std::string& out) const override { out += "a mutex"; }

  private:
    friend awaiter_base<lock_awaiter>;
    bool suspend(promise_base& p) noexcept {
        job& j = p.owner();
        mutex_.home_.check(j.home(), "a mutex");
        // The common case first: a free mutex is locked without registering a wait.
        if (!j.cancel_requested() && mutex_.try_take()) [[likely]] {
            if (detail::reactor_access::spend_budget(j.home())) [[likely]]
                return false;
            begin(p);
            ready();
            return true;
        }
        if (begin(p)) mutex_.enqueue(*this);
        return true;
    }
    mutex& mutex_;
};

/// The result of lock(): the awaiter itself is made where it is awaited.
class [[nodiscard("co_await it to get the guard")]] lock_request {
  public:
    using bight_awaitable = void;
    using value_type = mutex_guard;
    explicit lock_request(mutex& of) noexcept : mutex_(of) {}
    lock_awaiter operator co_await() const noexcept { return lock_awaiter(mutex_); }

  private:
    mutex& mutex_;
};

}  // namespace detail

inline detail::lock_request mutex::lock() noexcept { return detail::lock_request(*this); }

}  // namespace bight
