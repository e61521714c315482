// Implementation of bight/net/draining.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>

#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Is told when a server begins to drain.
class drain_listener : public list_hook<drain_listener> {
  public:
    virtual void drains() noexcept = 0;

  protected:
    drain_listener() noexcept = default;
    ~drain_listener() = default;
};

/// The drain signal of one server, which outlives the tasks of its connections.
class drain_signal {
  public:
    /// The signal of the server to whose connection `j` belongs, or null.
    static drain_signal* of(const job* j) noexcept;
    /// The result of job::find_local for `key` in the job of a connection.
    const void* find(const void* key) const noexcept;

    bool draining() const noexcept { return draining_; }
    void add(drain_listener& l) noexcept { listeners_.push_back(l); }
    void remove(drain_listener& l) noexcept { listeners_.remove(l); }
    /// Tells all listeners, once. Each has left the list when it is told.
    void begin() noexcept {
        draining_ = true;
        while (drain_listener* const l = listeners_.pop_front()) l->drains();
    }

  private:
    intrusive_list<drain_listener> listeners_;
    bool draining_ = false;
};

class [[nodiscard("co_await it"), gnu::warn_unused]] draining_awaiter final
    : public waiter,
      public awaiter_base<draining_awaiter>,
      private drain_listener {
  public:
    draining_awaiter() noexcept = default;
    draining_awaiter(draining_awaiter&&) noexcept = default;

    void await_resume() const noexcept {}
    void cancel() noexcept override;
    void describe(std::string& out) const override { out += "its server to drain"; }

  private:
    friend awaiter_base<draining_awaiter>;
    bool suspend(promise_base& p) noexcept;
    void drains() noexcept override { ready(); }

    drain_signal* signal_ = nullptr;
};

/// Runs a child that is cancelled when the server drains. The cancellation comes from a timer that is due at
/// once: before it fires the kernel is asked, so that data that has arrived wins.
template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] draining_scope final
    : public scope,
      public awaiter_base<draining_scope<T>>,
      private drain_listener,
      private timer {
  public:
    explicit draining_scope(task<T>&& t) noexcept : child_(std::move(t)) {}
    draining_scope(draining_scope&&) noexcept = default;

    auto await_resume() {
        const bool drained = child_.result() == outcome::cancelled;
        if constexpr (std::is_void_v<T>) {
            if (drained) return false;
            child_.take();
            return true;
        } else if constexpr (std::is_reference_v<T>) {
            return drained ? nullptr : std::addressof(child_.take());
        } else {
            if (drained) return std::optional<T>{};
            return std::optional<T>{child_.take()};
        }
    }

    void cancel() noexcept override { child_.request_cancel(); }
    void describe(std::string& out) const override { out += "a task, unless its server drains"; }
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override {
        visit(child_, context);
    }

  private:
    friend awaiter_base<draining_scope>;
    std::coroutine_handle<> suspend(promise_base& p) noexcept {
        if (!begin(p)) return std::noop_coroutine();
        signal_ = drain_signal::of(&owner());
        if (signal_ && signal_->draining()) {
            drains();
        } else if (signal_) {
            signal_->add(*this);
        }
        return child_.launch_now(*this, home(), owner());
    }
    std::coroutine_handle<> child_finished(job&) noexcept override {
        if (signal_) {
            signal_->remove(*this);
        } else {
            reactor_access::disarm(home(), *this);
        }
        owner().adopt_trace(child_);
        return conclude(child_.result() == outcome::cancelled);
    }
    void drains() noexcept override {
        signal_ = nullptr;
        reactor_access::arm(home(), *this, home().now());
    }
    void expired() noexcept override { child_.request_cancel(); }

    child_job<T> child_;
    drain_signal* signal_ = nullptr;  // while it is in its list
};

}  // namespace detail
}  // namespace bight
