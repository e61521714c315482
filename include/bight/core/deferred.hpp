// deferred<T>: the bridge from callbacks to tasks.
#pragma once

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

/// What a producer wants called when nobody waits any more. It runs from the ready queue, and keeps its
/// deferred until then.
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

/// What all handles on one deferred share, but for the value.
class deferred_base : public pooled {
  public:
    deferred_base() noexcept : home_(reactor::current()) {}
    deferred_base(const deferred_base&) = delete;
    deferred_base& operator=(const deferred_base&) = delete;

    void retain() noexcept {
        thread_.check("a deferred");
        ++references_;
    }
    /// True when it was the last.
    bool release() noexcept { return --references_ == 0; }

    bool fired() const noexcept { return fired_; }
    const std::exception_ptr& error() const noexcept { return error_; }
    bool try_fire_error(std::exception_ptr error) noexcept;
    /// Throws std::system_error (errc::wrong_thread) off the reactor's thread.
    void check_thread() const;
    [[noreturn]] static void throw_already_fired();
    /// Somebody has seen the outcome.
    void observed() noexcept { observed_ = true; }
    /// Takes `callback` over, in place of what was set before.
    void on_abandoned(abandoned_callback* callback) noexcept;

  protected:
    ~deferred_base();
    void fire() noexcept;
    /// While its value is made, whose constructor may be anybody's code.
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

class deferred_waiter : public listed_waiter {
  public:
    bool await_ready() const noexcept { return false; }
    template <class P>
    BIGHT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<P> h) noexcept {
        return suspend(h.promise());
    }
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

/// A result that does not exist yet. Fired once, by a callback, with a value or an error; awaited by any
/// number of tasks, before or after. Those that wait are resumed in the order in which they came, in the turn
/// after the firing and never inside it. Copies refer to the same result. An error that nobody ever awaited
/// goes to the error handler when the last copy is gone.
///
/// Cancelling a task that waits takes it off the list; when nobody waits any more, and it has not fired, the
/// producer is told (on_abandoned). It may fire all the same, and a later await gets the result.
///
/// Thread: the reactor's on which it was made. Elsewhere firing and awaiting throw errc::wrong_thread, and in
/// debug builds (without NDEBUG) copying ends the process: fire it through reactor::post from another thread,
/// with a reference; values for another reactor's tasks go through a concurrent_channel.
template <class T = void>
class [[nodiscard("co_await it, or keep it for the one who fires it")]] deferred {
  public:
    /// Throws std::bad_alloc.
    deferred() = default;

    /// Fires with a value. Throws std::system_error (errc::already_fired), changing nothing, when it has
    /// fired.
    template <class U = T>
        requires(!std::is_void_v<T> && std::is_constructible_v<T, U &&>)
    void set_value(U&& value) const {
        if (!try_set_value(std::forward<U>(value))) detail::deferred_base::throw_already_fired();
    }
    void set_value() const
        requires std::is_void_v<T>
    {
        if (!try_set_value()) detail::deferred_base::throw_already_fired();
    }
    /// Fires with an error (not null). Throws like set_value.
    void set_error(std::exception_ptr error) const {
        if (!try_set_error(std::move(error))) detail::deferred_base::throw_already_fired();
    }

    /// The same, but false when it has fired.
    template <class U = T>
        requires(!std::is_void_v<T> && std::is_constructible_v<T, U &&>)
    bool try_set_value(U&& value) const {
        state_->check_thread();
        return state_->try_set(std::forward<U>(value));
    }
    bool try_set_value() const
        requires std::is_void_v<T>
    {
        state_->check_thread();
        return state_->try_set();
    }
    bool try_set_error(std::exception_ptr error) const {
        state_->check_thread();
        return state_->try_fire_error(std::move(error));
    }

    bool fired() const noexcept { return state_->fired(); }

    /// `f()` is called, from the reactor's loop in its next turn, each time the last waiting task was
    /// cancelled before the firing, and before the destructors of that task run; not if another task waits by
    /// then. It may do whatever a task may: fire, start tasks. What it throws goes to the error handler.
    /// Replaces what was set before.
    template <class F>
    void on_abandoned(F f) const {
        state_->on_abandoned(new detail::stored_abandoned_callback<T, F>(*state_, std::move(f)));
    }

    /// `co_await d` gives `const T&`, valid while a copy of d is; it throws the error if it was fired with
    /// one.
    detail::deferred_awaiter<T> operator co_await() const& noexcept {
        return detail::deferred_awaiter<T>{state_};
    }
    /// `co_await std::move(d)` gives the value itself, for the only one that waits.
    detail::deferred_taker<T> operator co_await() && noexcept { return detail::deferred_taker<T>{state_}; }
    using bight_awaitable = void;
    using value_type = T;

  private:
    detail::deferred_reference<T> state_;
};

}  // namespace bight
