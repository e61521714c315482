// result<T>: a value or an error code, for awaiting without exceptions.
#pragma once

#include <bight/core/detail/refused.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>

#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// The value of an operation, or its error code. (std::expected is C++23.)
template <class T>
class [[nodiscard]] result {
  public:
    using value_type = T;

    result(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : value_(std::move(value)), ok_(true) {}
    result(std::error_code error) noexcept : error_(error), ok_(false) {}
    /// Constructs the value in place from what `make()` returns.
    template <class F>
        requires std::is_invocable_r_v<T, F&>
    result(std::in_place_t, F&& make) : value_(make()), ok_(true) {}
    result(result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : ok_(other.ok_) {
        if (ok_) {
            ::new (static_cast<void*>(__builtin_addressof(value_))) T(std::move(other.value_));
        } else {
            ::new (static_cast<void*>(&error_)) std::error_code(other.error_);
        }
    }
    /// When moving the value throws, this result has no value: its error is std::errc::state_not_recoverable.
    result& operator=(result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) {
        if (this == &other) return *this;
        if (std::exchange(ok_, false)) value_.~T();
        if (!other.ok_) {
            become(other.error_);
            return *this;
        }
        if constexpr (std::is_nothrow_move_constructible_v<T>) {
            ::new (static_cast<void*>(__builtin_addressof(value_))) T(std::move(other.value_));
        } else {
            try {
                ::new (static_cast<void*>(__builtin_addressof(value_))) T(std::move(other.value_));
            } catch (...) {
                become(std::make_error_code(std::errc::state_not_recoverable));
                throw;
            }
        }
        ok_ = true;
        return *this;
    }
    ~result() {
        if (ok_) value_.~T();
    }

    bool has_value() const noexcept { return ok_; }
    explicit operator bool() const noexcept { return ok_; }
    /// Empty when there is a value.
    std::error_code error() const noexcept { return ok_ ? std::error_code{} : error_; }
    /// Only when there is a value.
    T& operator*() & noexcept { return value_; }
    const T& operator*() const& noexcept { return value_; }
    T&& operator*() && noexcept { return std::move(value_); }
    T* operator->() noexcept { return __builtin_addressof(value_); }
    const T* operator->() const noexcept { return __builtin_addressof(value_); }
    /// Throws std::system_error when there is none. A result that goes away gives the value itself, which is
    /// moved out; the others a reference to it.
    T& value() & {
        check();
        return value_;
    }
    const T& value() const& {
        check();
        return value_;
    }
    T value() && {
        check();
        return std::move(value_);
    }

  private:
    void check() const {
        if (!ok_) throw std::system_error(error_);
    }
    // Called while the union holds nothing.
    void become(std::error_code error) noexcept {
        ::new (static_cast<void*>(&error_)) std::error_code(error);
    }

    union {
        T value_;
        std::error_code error_;
    };
    bool ok_;
};

/// The result of an operation that gives a reference.
template <class T>
class [[nodiscard]] result<T&> {
  public:
    using value_type = T&;

    result(T& value) noexcept : value_(__builtin_addressof(value)) {}
    result(std::error_code error) noexcept : error_(error) {}

    bool has_value() const noexcept { return value_ != nullptr; }
    explicit operator bool() const noexcept { return value_ != nullptr; }
    /// Empty when there is a value.
    std::error_code error() const noexcept { return error_; }
    /// Only when there is a value.
    T& operator*() const noexcept { return *value_; }
    T* operator->() const noexcept { return value_; }
    /// Throws std::system_error when there is none.
    T& value() const {
        if (!value_) throw std::system_error(error_);
        return *value_;
    }

  private:
    T* value_ = nullptr;
    std::error_code error_;
};

template <>
class [[nodiscard]] result<void> {
  public:
    using value_type = void;

    result() noexcept = default;
    result(std::error_code error) noexcept : error_(error) {}
    bool has_value() const noexcept { return !error_; }
    explicit operator bool() const noexcept { return !error_; }
    std::error_code error() const noexcept { return error_; }
    void value() const {
        if (error_) throw std::system_error(error_);
    }

  private:
    std::error_code error_;
};

namespace detail {

/// Awaits an operation without throwing. An operation offers `result<T> take_result()` beside await_resume.
template <class A>
class [[nodiscard("co_await it"), gnu::warn_unused]] result_awaiter {
  public:
    using bight_awaitable = void;
    explicit result_awaiter(A&& operation) noexcept(std::is_nothrow_move_constructible_v<A>)
        : operation_(std::move(operation)) {}
    bool await_ready() const noexcept { return false; }
    template <class P>
    BIGHT_AWAIT_SUSPEND auto await_suspend(std::coroutine_handle<P> h) noexcept {
        return operation_.await_suspend(h);
    }
    auto await_resume() { return operation_.take_result(); }

  private:
    A operation_;
};

template <class T>
task<result<T>> without_throwing(task<T> t) {
    std::error_code error;
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(t);
            co_return result<void>{};
        } else {
            co_return result<T>(co_await std::move(t));
        }
    } catch (const std::system_error& e) {
        error = e.code();
    }
    co_return result<T>{error};
}

}  // namespace detail

/// The non-throwing form of an operation: `auto got = co_await as_result(peer.read_some());` gives a
/// result<chunk>. Moving an operation moves the value in it: when that throws, it is thrown here.
template <class A>
    requires requires(A& a) { a.take_result(); }
detail::result_awaiter<A> as_result(A operation) noexcept(std::is_nothrow_move_constructible_v<A>) {
    return detail::result_awaiter<A>{std::move(operation)};
}

/// The same for a task: a std::system_error becomes its code; other exceptions are still thrown.
template <class T>
task<result<T>> as_result(task<T> t) {
    return detail::without_throwing(std::move(t));
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto as_result(detail::anything = {}) {
    static_assert(
        fits,
        "as_result(operation) takes a task, or an operation such as peer.read_some(), and is awaited "
        "itself: co_await as_result(work()); a function or a lambda is called first, work() for work");
    return detail::refused_operation();
}

}  // namespace bight
