// Implementation of bight/sync/once.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>

#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

class once_base;

/// Tells a task whether the initialisation is done, or is its own to run. In the second case it must call
/// `succeed()`; if this is destroyed without that, it is the turn of the next task in the queue.
class once_turn {
  public:
    explicit once_turn(once_base* mine) noexcept : mine_(mine) {}
    once_turn(once_turn&& other) noexcept : mine_(std::exchange(other.mine_, nullptr)) {}
    once_turn& operator=(once_turn&&) = delete;
    ~once_turn() {
        if (mine_) fail();
    }

    bool mine() const noexcept { return mine_ != nullptr; }
    void succeed() noexcept;

  private:
    void fail() noexcept;
    once_base* mine_;
};

class [[nodiscard("co_await it"), gnu::warn_unused]] once_awaiter final : public listed_waiter,
                                                                          public awaiter_base<once_awaiter> {
  public:
    explicit once_awaiter(once_base& of) noexcept : once_(&of) {}
    once_awaiter(once_awaiter&&) noexcept = default;

    once_turn await_resume() const noexcept { return once_turn(mine_ ? once_ : nullptr); }

    void cancel() noexcept override;
    void describe(std::string& out) const override;

  private:
    friend class once_base;
    friend class once_turn;
    friend awaiter_base<once_awaiter>;
    bool suspend(promise_base& p) noexcept;
    once_base* once_;
    bool mine_ = false;
};

class once_base {
  public:
    once_base(const once_base&) = delete;
    once_base& operator=(const once_base&) = delete;

    /// Whether an initialisation has succeeded.
    bool done() const noexcept { return stage_ == stage::done; }

  protected:
    once_base() noexcept = default;
    ~once_base();
    once_awaiter enter() noexcept { return once_awaiter{*this}; }

  private:
    friend class once_awaiter;
    friend class once_turn;
    enum class stage : std::uint8_t { idle, running, done };

    wait_list<once_awaiter> waiters_;
    thread_checker home_;
    stage stage_ = stage::idle;
};

}  // namespace detail

}  // namespace bight
