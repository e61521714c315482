// semaphore: a counting semaphore for tasks.
#pragma once

#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/sync/detail/semaphore.hpp>

#include <coroutine>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {

class semaphore;

/// Holds permits of a semaphore, and releases them when destroyed. Moving it moves the permits. The semaphore
/// must outlive it. Thread: the reactor's.
class [[nodiscard("the permits go back when the guard goes: give it a name")]] semaphore_guard {
  public:
    /// Holds nothing.
    semaphore_guard() noexcept = default;
    semaphore_guard(semaphore_guard&& other) noexcept
        : semaphore_(std::exchange(other.semaphore_, nullptr)), held_(std::exchange(other.held_, 0)) {}
    semaphore_guard& operator=(semaphore_guard&& other) noexcept {
        semaphore_guard taken(std::move(other));
        std::swap(semaphore_, taken.semaphore_);
        std::swap(held_, taken.held_);
        return *this;
    }
    ~semaphore_guard() { release(); }

    /// Releases the permits now, if it holds any.
    void release() noexcept;
    /// Gives up ownership without releasing the permits, and returns their number: the caller may release
    /// them later, or withdraw them for good.
    std::size_t forget() noexcept {
        semaphore_ = nullptr;
        return std::exchange(held_, 0);
    }

    /// How many permits it holds.
    std::size_t count() const noexcept { return held_; }
    explicit operator bool() const noexcept { return semaphore_ != nullptr; }

  private:
    friend class semaphore;
    friend class detail::scoped_acquire_awaiter;
    semaphore_guard(semaphore& of, std::size_t n) noexcept : semaphore_(&of), held_(n) {}
    semaphore* semaphore_ = nullptr;
    std::size_t held_ = 0;
};

/// A counting semaphore for tasks of one reactor.
///
/// First in, first out, however many permits a request wants: a small request never overtakes a large one
/// that waits, so a large one does not starve. A task whose request is granted runs in the next turn. A
/// request that can be met at once does not suspend.
///
/// A cancelled task leaves the queue, and those behind it move up. A task that has been granted its permits
/// goes on with them, and is cancelled at its next await, where a guard releases them.
///
/// Destroying it while tasks wait ends the process with a message; permits may still be held. Thread: the
/// reactor's; another thread's use is caught in debug builds.
class semaphore {
  public:
    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    /// Begins with `permits`; there are never more than `maximum`. Throws std::invalid_argument when
    /// `permits` exceeds `maximum`.
    explicit semaphore(std::size_t permits, std::size_t maximum = unlimited);
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;
    ~semaphore() { waiters_.check_empty("a semaphore"); }

    /// Takes `n` permits, all at once, as soon as that many are available and no earlier request waits.
    /// Throws std::invalid_argument, before anything is awaited, when `n` is more than the maximum: the
    /// request could never be met.
    detail::acquire_awaiter acquire(std::size_t n = 1);
    /// The same, and gives a semaphore_guard that releases them.
    detail::scoped_acquire_awaiter scoped_acquire(std::size_t n = 1);

    /// Takes `n` permits if that many are available and no task waits; false otherwise.
    bool try_acquire(std::size_t n = 1) noexcept;
    /// A guard with `n` permits, or one that holds nothing.
    semaphore_guard try_scoped_acquire(std::size_t n = 1) noexcept;

    /// Adds `n` permits. Throws std::overflow_error, and changes nothing, when there would be more than the
    /// maximum.
    void release(std::size_t n = 1);

    /// How many permits are available now (for the first waiting task, if any waits).
    std::size_t available() const noexcept { return available_; }
    std::size_t maximum() const noexcept { return maximum_; }

  private:
    friend class detail::semaphore_waiter;
    friend class semaphore_guard;

    bool try_take(std::size_t n) noexcept {
        if (!waiters_.empty() || n > available_) return false;
        available_ -= n;
        return true;
    }
    bool try_give(std::size_t n) noexcept;
    void give_back(std::size_t n) noexcept;
    void admit() noexcept;
    void check_possible(std::size_t n) const;

    detail::wait_list<detail::semaphore_waiter> waiters_;
    std::size_t available_;
    std::size_t maximum_;
    detail::thread_checker home_;
};

inline void semaphore_guard::release() noexcept {
    if (semaphore_) std::exchange(semaphore_, nullptr)->give_back(std::exchange(held_, 0));
}

namespace detail {

class [[nodiscard("co_await it"), gnu::warn_unused]] acquire_awaiter final : public semaphore_waiter {
  public:
    acquire_awaiter(semaphore& of, std::size_t n) noexcept : semaphore_waiter(of, n) {}
    acquire_awaiter(acquire_awaiter&&) noexcept = default;
    void await_resume() const noexcept {}
};

class [[nodiscard("co_await it to get the guard")]] scoped_acquire_awaiter final : public semaphore_waiter {
  public:
    scoped_acquire_awaiter(semaphore& of, std::size_t n) noexcept : semaphore_waiter(of, n) {}
    scoped_acquire_awaiter(scoped_acquire_awaiter&&) noexcept = default;
    semaphore_guard await_resume() const noexcept { return semaphore_guard(*semaphore_, wanted_); }
};

}  // namespace detail

inline detail::acquire_awaiter semaphore::acquire(std::size_t n) {
    check_possible(n);
    return detail::acquire_awaiter{*this, n};
}
inline detail::scoped_acquire_awaiter semaphore::scoped_acquire(std::size_t n) {
    check_possible(n);
    return detail::scoped_acquire_awaiter{*this, n};
}

}  // namespace bight
