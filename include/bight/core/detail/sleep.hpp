// Implementation of bight/core/sleep.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>

namespace BIGHT_EXPORT bight {

namespace detail {

class [[nodiscard("co_await it"), gnu::warn_unused]] sleep_awaiter final : public waiter,
                                                                           public awaiter_base<sleep_awaiter>,
                                                                           private timer {
  public:
    explicit sleep_awaiter(duration d) noexcept : for_(d), relative_(true) {}
    explicit sleep_awaiter(time_point t) noexcept : until_(t) {}
    sleep_awaiter(sleep_awaiter&& other) noexcept
        : waiter(std::move(other)),
          timer(),
          for_(other.for_),
          until_(other.until_),
          relative_(other.relative_) {}

    void await_resume() const noexcept {}

    void cancel() noexcept override {
        detail::reactor_access::disarm(home(), *this);
        confirm_cancel();
    }
    void describe(std::string& out) const override {
        out += "a timer";
        append_time_left(out, *this, home().now());
    }

  private:
    friend awaiter_base<sleep_awaiter>;
    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        if (relative_ && for_ <= duration::zero()) {
            ready();
        } else {
            detail::reactor_access::arm(home(), *this,
                                        relative_ ? saturating_add(home().now(), for_) : until_);
        }
        return true;
    }
    void expired() noexcept override { ready(); }
    duration for_{};
    time_point until_{};
    bool relative_ = false;
};

class [[nodiscard("co_await it"), gnu::warn_unused]] yield_awaiter final
    : public waiter,
      public awaiter_base<yield_awaiter> {
  public:
    void await_resume() const noexcept {}
    void cancel() noexcept override {}  // never suspended as a waiter: it is ready at once
    void describe(std::string& out) const override { out += "its turn"; }

  private:
    friend awaiter_base<yield_awaiter>;
    bool suspend(promise_base& p) noexcept {
        requeue(p);
        return true;
    }
};

}  // namespace detail

}  // namespace bight
