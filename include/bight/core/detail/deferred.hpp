// Implementation of bight/core/deferred.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/error.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>
#include <exception>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

class deferred_base;
class deferred_waiter;

/// The callback of on_abandoned. It runs from the ready queue, and keeps its deferred alive until then.
class abandoned_callback : public work_item, public pooled {
  public:
    virtual ~abandoned_callback() = default;

  protected:
    abandoned_callback() noexcept = default;

  private:
    friend class deferred_base;
    void run() noexcept final;
    virtual void call() = 0;
    virtual void retain() noexcept = 0;
    virtual void release() noexcept = 0;

    deferred_base* on_ = nullptr;
    bool queued_ = false;
};

/// The shared state of all copies of a deferred, except for the value.
class deferred_base : public pooled {
  public:
    deferred_base() noexcept : home_(reactor::current()) {}
    deferred_base(const deferred_base&) = delete;
    deferred_base& operator=(const deferred_base&) = delete;

    void retain() noexcept {
        thread_.check("a deferred");
        ++references_;
    }
    /// True when that was the last reference.
    bool release() noexcept { return --references_ == 0; }

    bool fired() const noexcept { return fired_; }
    const std::exception_ptr& error() const noexcept { return error_; }
    bool try_fire_error(std::exception_ptr error) noexcept;
    /// Throws std::system_error (errc::wrong_thread) off the reactor's thread.
    void check_thread() const;
    [[noreturn]] static void throw_already_fired();
    /// Some task has seen the outcome.
    void observed() noexcept { observed_ = true; }
    /// Takes `callback` over, in place of what was set before.
    void on_abandoned(abandoned_callback* callback) noexcept;

  protected:
    ~deferred_base();
    void fire() noexcept;
    /// Sets a flag while the value is constructed: the value's constructor is user code, and may try to fire
    /// again.
    struct making {
        explicit making(bool& f) noexcept : flag(f) { flag = true; }
        making(const making&) = delete;
        making& operator=(const making&) = delete;
        ~making() { flag = false; }
        bool& flag;
    };
    bool making_ = false;

  private:
    friend class abandoned_callback;
    friend class deferred_waiter;
    void abandoned(reactor& home) noexcept;
    void tell(abandoned_callback& producer) noexcept;

    reactor* home_;
    thread_checker thread_;
    wait_list<deferred_waiter> waiters_;
    abandoned_callback* abandoned_ = nullptr;
    std::exception_ptr error_;
    unsigned references_ = 0;
    bool fired_ = false;
    bool observed_ = false;
};

class deferred_waiter : public listed_waiter, public awaiter_base<deferred_waiter> {
  public:
    void cancel() noexcept override;
    void describe(std::string& out) const override { out += "a deferred"; }

  protected:
    explicit deferred_waiter(deferred_base& on) noexcept : on_(&on) {}
    deferred_waiter(deferred_waiter&& other) noexcept : listed_waiter(std::move(other)), on_(other.on_) {}
    ~deferred_waiter() = default;
    void rethrow() const {
        if (elsewhere_) throw_awaited_elsewhere();
        on_->observed();
        if (on_->error()) std::rethrow_exception(on_->error());
    }

  private:
    friend class deferred_base;
    friend awaiter_base<deferred_waiter>;
    bool suspend(promise_base& p) noexcept;
    [[noreturn]] static void throw_awaited_elsewhere();
    deferred_base* on_;
    bool elsewhere_ = false;
};

template <class T>
class deferred_state final : public deferred_base {
  public:
    ~deferred_state() {
        if (has_value_) value_.~T();
    }
    template <class U>
    bool try_set(U&& value) {
        if (fired() || making_) return false;
        {
            const making now(making_);
            ::new (static_cast<void*>(__builtin_addressof(value_))) T(std::forward<U>(value));
        }
        has_value_ = true;
        fire();
        return true;
    }
    T& value() noexcept { return value_; }

  private:
    union {
        T value_;
    };
    bool has_value_ = false;

  public:
    deferred_state() noexcept {}
};

template <>
class deferred_state<void> final : public deferred_base {
  public:
    bool try_set() noexcept {
        if (fired()) return false;
        fire();
        return true;
    }
};

/// A counted reference to a state. Thread: the reactor's, like all of it.
template <class T>
class deferred_reference {
  public:
    deferred_reference() : state_(new deferred_state<T>) { state_->retain(); }
    deferred_reference(const deferred_reference& other) noexcept : state_(other.state_) { state_->retain(); }
    deferred_reference& operator=(deferred_reference other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~deferred_reference() {
        if (state_->release()) delete state_;
    }
    deferred_state<T>& operator*() const noexcept { return *state_; }
    deferred_state<T>* operator->() const noexcept { return state_; }

  private:
    deferred_state<T>* state_;
};

template <class T, class F>
class stored_abandoned_callback final : public abandoned_callback {
  public:
    stored_abandoned_callback(deferred_state<T>& on, F&& f) : on_(on), callable_(std::move(f)) {}

  private:
    void call() override { callable_(); }
    void retain() noexcept override { on_.retain(); }
    void release() noexcept override {
        if (on_.release()) delete &on_;
    }

    deferred_state<T>& on_;
    F callable_;
};

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] deferred_awaiter final : public deferred_waiter {
  public:
    explicit deferred_awaiter(const deferred_reference<T>& on) noexcept : deferred_waiter(*on), state_(on) {}
    decltype(auto) await_resume() const {
        rethrow();
        if constexpr (!std::is_void_v<T>) return static_cast<const T&>(state_->value());
    }

  private:
    deferred_reference<T> state_;
};

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] deferred_taker final : public deferred_waiter {
  public:
    explicit deferred_taker(const deferred_reference<T>& on) noexcept : deferred_waiter(*on), state_(on) {}
    T await_resume() const {
        rethrow();
        if constexpr (!std::is_void_v<T>) return std::move(state_->value());
    }

  private:
    deferred_reference<T> state_;
};

}  // namespace detail

}  // namespace bight
