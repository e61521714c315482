// latch: a single-use countdown that tasks wait for.
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

namespace BIGHT_EXPORT bight {

namespace detail {
class latch_awaiter;
}

/// Tasks wait for a number of arrivals. It is used once: the count never goes up. All waiting tasks go on in
/// the turn after the last arrival, in the order in which they came; later waits return at once.
///
/// A cancelled task leaves the queue. Its arrival, if it made one, still counts.
///
/// Destroying it while tasks wait ends the process with a message; tasks that have been woken no longer use
/// it. Thread: the reactor's; another thread's use is caught in debug builds.
class latch {
  public:
    explicit latch(std::size_t expected) noexcept : left_(expected) {}
    latch(const latch&) = delete;
    latch& operator=(const latch&) = delete;
    ~latch();

    /// Counts `n` arrivals. Throws std::logic_error, and changes nothing, when fewer are left.
    void count_down(std::size_t n = 1);

    /// Waits until the count is zero.
    detail::latch_awaiter wait() noexcept;
    /// Arrives when it is awaited, then waits. A task that is cancelled before the await has not arrived.
    /// Throws like count_down.
    detail::latch_awaiter arrive_and_wait() noexcept;
    /// True when the count is zero.
    bool try_wait() const noexcept { return left_ == 0; }

    /// How many arrivals are still missing.
    std::size_t pending() const noexcept { return left_; }

  private:
    friend class detail::latch_awaiter;
    bool try_count_down(std::size_t n) noexcept;
    [[noreturn]] static void throw_too_many();

    detail::wait_list<detail::latch_awaiter> waiters_;
    std::size_t left_;
    detail::thread_checker home_;
};

namespace detail {

class [[nodiscard("co_await it"), gnu::warn_unused]] latch_awaiter final
    : public listed_waiter,
      public awaiter_base<latch_awaiter> {
  public:
    latch_awaiter(latch& at, bool arrives) noexcept : at_(&at), arrives_(arrives) {}
    latch_awaiter(latch_awaiter&&) noexcept = default;

    void await_resume() const {
        if (too_many_) latch::throw_too_many();
    }

    void cancel() noexcept override;
    void describe(std::string& out) const override;

  private:
    friend class bight::latch;
    friend awaiter_base<latch_awaiter>;
    bool suspend(promise_base& p) noexcept;
    latch* at_;
    bool arrives_;
    bool too_many_ = false;
};

}  // namespace detail

inline detail::latch_awaiter latch::wait() noexcept { return detail::latch_awaiter{*this, false}; }
inline detail::latch_awaiter latch::arrive_and_wait() noexcept { return detail::latch_awaiter{*this, true}; }

}  // namespace bight
