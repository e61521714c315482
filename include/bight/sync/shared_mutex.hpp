// shared_mutex: a readers-writer lock for tasks.
#pragma once

#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/sync/detail/shared_mutex.hpp>

#include <coroutine>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

class shared_mutex;

/// Holds a shared_mutex locked for writing, and unlocks it when destroyed. The mutex must outlive it.
class [[nodiscard("the mutex is unlocked when the guard goes: give it a name")]] exclusive_guard
    : public detail::shared_mutex_hold<detail::unlock_exclusive> {
  public:
    /// Holds nothing.
    exclusive_guard() noexcept = default;
    /// Takes over such a lock that was taken out of a guard with release().
    static exclusive_guard adopt(shared_mutex& held) noexcept { return exclusive_guard(held); }

  private:
    friend class shared_mutex;
    friend class detail::exclusive_awaiter;
    using shared_mutex_hold::shared_mutex_hold;
};

/// Holds a shared_mutex locked for reading, and unlocks it when destroyed. The mutex must outlive it.
class [[nodiscard("the mutex is unlocked when the guard goes: give it a name")]] shared_guard
    : public detail::shared_mutex_hold<detail::unlock_shared> {
  public:
    /// Holds nothing.
    shared_guard() noexcept = default;
    /// Takes over such a lock that was taken out of a guard with release().
    static shared_guard adopt(shared_mutex& held) noexcept { return shared_guard(held); }

  private:
    friend class shared_mutex;
    friend class detail::shared_awaiter;
    using shared_mutex_hold::shared_mutex_hold;
};

/// A mutex that many tasks may hold shared (to read), or one exclusively (to write).
///
/// Fair, first in, first out: a task that comes while another waits queues behind it. So a waiting writer
/// holds up later readers, and neither kind can starve the other. Adjacent readers at the front of the queue
/// get the lock together. A task that is granted the lock runs in the next turn.
///
/// It is not recursive: a task that locks it shared twice waits for itself if a writer queues in between.
/// Destroying it while it is locked ends the process with a message; so does unlocking it through a guard
/// that adopted it while it was not locked. Thread: the reactor's; another thread's use is caught in debug
/// builds.
class shared_mutex {
  public:
    shared_mutex() noexcept = default;
    shared_mutex(const shared_mutex&) = delete;
    shared_mutex& operator=(const shared_mutex&) = delete;
    ~shared_mutex() {
        if (writer_ || readers_ > 0) destroyed_locked();
    }

    /// `co_await m.lock()` gives an exclusive_guard. When the lock is free and no task waits, it does not
    /// suspend. A cancelled task leaves the queue, and those behind it move up; one that has been granted the
    /// lock still gets its guard.
    detail::exclusive_awaiter lock() noexcept;
    /// `co_await m.lock_shared()` gives a shared_guard; otherwise as lock.
    detail::shared_awaiter lock_shared() noexcept;

    /// A guard that holds the lock, or holds nothing when the lock is not available at once.
    exclusive_guard try_lock() noexcept {
        home_.check("a shared_mutex");
        return try_take(false) ? exclusive_guard(*this) : exclusive_guard();
    }
    shared_guard try_lock_shared() noexcept {
        home_.check("a shared_mutex");
        return try_take(true) ? shared_guard(*this) : shared_guard();
    }

    /// Does not compile. The lock classes of std call it; they would lock nothing, because lock() must be
    /// awaited.
    template <class Never = void>
    void unlock() noexcept {
        static_assert(!std::is_void_v<Never>,
                      "a bight::shared_mutex is locked by `auto guard = co_await m.lock();` "
                      "and unlocked by its guard: the locks of std would lock nothing");
    }
    template <class Never = void>
    void unlock_shared() noexcept {
        static_assert(!std::is_void_v<Never>,
                      "a bight::shared_mutex is locked by `auto guard = co_await m.lock_shared();` "
                      "and unlocked by its guard: the locks of std would lock nothing");
    }

    /// How many tasks hold it shared.
    std::size_t readers() const noexcept { return readers_; }
    /// Whether a task holds it exclusively.
    bool locked() const noexcept { return writer_; }

  private:
    friend class detail::shared_mutex_waiter;
    friend struct detail::unlock_exclusive;
    friend struct detail::unlock_shared;

    bool free_for(bool shared) const noexcept { return !writer_ && (shared || readers_ == 0); }
    void take(bool shared) noexcept {
        if (shared) {
            ++readers_;
        } else {
            writer_ = true;
        }
    }
    bool try_take(bool shared) noexcept {
        if (!waiters_.empty() || !free_for(shared)) return false;
        take(shared);
        return true;
    }
    void admit() noexcept;
    void leave_exclusive() noexcept;
    void leave_shared() noexcept;
    [[noreturn]] void destroyed_locked() const noexcept;

    detail::wait_list<detail::shared_mutex_waiter> waiters_;  // empty unless it is locked
    std::size_t readers_ = 0;
    bool writer_ = false;
    detail::thread_checker home_;
};

namespace detail {

inline void unlock_exclusive::operator()(shared_mutex& m) const noexcept { m.leave_exclusive(); }
inline void unlock_shared::operator()(shared_mutex& m) const noexcept { m.leave_shared(); }

class [[nodiscard("co_await it to get the guard")]] exclusive_awaiter final : public shared_mutex_waiter {
  public:
    explicit exclusive_awaiter(shared_mutex& of) noexcept : shared_mutex_waiter(of, false) {}
    exclusive_awaiter(exclusive_awaiter&&) noexcept = default;
    exclusive_guard await_resume() const noexcept { return exclusive_guard(mutex()); }
};

class [[nodiscard("co_await it to get the guard")]] shared_awaiter final : public shared_mutex_waiter {
  public:
    explicit shared_awaiter(shared_mutex& of) noexcept : shared_mutex_waiter(of, true) {}
    shared_awaiter(shared_awaiter&&) noexcept = default;
    shared_guard await_resume() const noexcept { return shared_guard(mutex()); }
};

}  // namespace detail

inline detail::exclusive_awaiter shared_mutex::lock() noexcept { return detail::exclusive_awaiter{*this}; }
inline detail::shared_awaiter shared_mutex::lock_shared() noexcept { return detail::shared_awaiter{*this}; }

}  // namespace bight
