// token_bucket: limits how often something may happen.
#pragma once

#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>
#include <bight/sync/detail/token_bucket.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>

namespace BIGHT_EXPORT bight {

/// A limit on a rate: `rate` tokens come in each `per`, evenly spread, and at most `burst` of them are kept.
/// Who wants to do something takes tokens before, and waits until there are enough.
///
///     bight::token_bucket requests(100, 1s, 20);    // 100 a second, after a pause up to 20 at once
///     co_await requests.take();
///
/// It begins full, and is exact: no fraction of a token is lost, at any rate. First in, first out, however
/// many tokens a request wants: a small one never overtakes a large one that waits. A request that can be met
/// at once does not suspend. A cancelled task leaves the queue and takes nothing; one that has been granted
/// its tokens goes on, and is cancelled at its next await. (It may give_back what it does not use.)
///
/// Time is that of the reactor's clock. Destroying it while tasks wait ends the process with a message.
/// Thread: the reactor's; another thread's use is caught in debug builds.
class token_bucket final : private detail::timer {
  public:
    /// Throws std::invalid_argument when `rate` or `burst` is zero, or `per` is zero or less.
    token_bucket(std::uint32_t rate, duration per, std::uint32_t burst);
    // What no other constructor takes.
    template <class Here = decltype([] {}), bool fits = false>
    explicit token_bucket(detail::anything = {}, detail::anything = {}, detail::anything = {}) {
        static_assert(fits,
                      "token_bucket(rate, per, burst) takes how many tokens come, in which time, with its "
                      "unit, and how many are kept: token_bucket(100, 1s, 20)");
    }
    token_bucket(const token_bucket&) = delete;
    token_bucket& operator=(const token_bucket&) = delete;
    ~token_bucket() { waiters_.check_empty("a token_bucket"); }

    /// Takes `n` tokens, all at once, as soon as there are so many and no earlier request waits. Throws
    /// std::invalid_argument, before anything is awaited, when `n` is more than the burst: there would never
    /// be so many.
    detail::take_tokens_awaiter take(std::uint32_t n = 1);
    /// Takes `n` tokens if there are so many and no task waits; false otherwise. Throws a std::logic_error
    /// that names the line where no reactor runs.
    bool try_take(std::uint32_t n = 1, std::source_location where = std::source_location::current());

    /// Returns `n` tokens that were taken for something that did not happen after all. More than the burst are
    /// not kept. Throws as try_take.
    void give_back(std::uint32_t n = 1, std::source_location where = std::source_location::current());
    /// From now on `rate` tokens come in each `per`. What has come by now stays, and who waits goes on waiting
    /// for the rest at the new rate. Throws as the constructor and as try_take, and then changes nothing.
    void set_rate(std::uint32_t rate, duration per,
                  std::source_location where = std::source_location::current());

    /// How many tasks wait, for those who would rather refuse than wait behind so many.
    std::size_t waiting() const noexcept { return waiting_; }
    /// How many tokens there are now (for the first waiting task, if any waits). Throws as try_take.
    std::uint32_t available(std::source_location where = std::source_location::current()) const;
    std::uint32_t burst() const noexcept { return burst_; }

  private:
    friend class detail::take_tokens_awaiter;
    // A token is divided into as many parts as `per` has nanoseconds, so that `rate_` parts come in each
    // nanosecond.
    __extension__ using parts = unsigned __int128;

    parts parts_of(std::uint32_t tokens) const noexcept {
        return parts(tokens) * static_cast<std::uint64_t>(per_.count());
    }
    parts most_parts() const noexcept;
    parts level_at(time_point now) const noexcept;
    bool try_take_at(time_point now, std::uint32_t n) noexcept;
    void add(detail::take_tokens_awaiter& w) noexcept;
    void remove(detail::take_tokens_awaiter& w) noexcept;
    void serve_waiters() noexcept;
    void grant(const reactor& home) noexcept;
    void wait_for_front(reactor& home) noexcept;
    void expired() noexcept override;

    detail::wait_list<detail::take_tokens_awaiter> waiters_;
    std::size_t waiting_ = 0;  // how many those are
    duration per_;
    std::uint32_t rate_;
    std::uint32_t burst_;
    parts level_;
    time_point filled_{};  // when `level_` was that
    detail::thread_checker home_;
};

}  // namespace bight
