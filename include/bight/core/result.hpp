// result<T>: a value or an error code, for those who do not want exceptions.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>

#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// What an operation gives: its value, or why it has none. (std::expected is C++23.)
template <class T>
class [[nodiscard]] result {
  public:
    using value_type = T;

    result(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : value_(std::move(value)), ok_(true) {}
    result(std::error_code error) noexcept : error_(error), ok_(false) {}
    result(result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : ok_(other.ok_) {
        if (ok_) {
            ::new (static_cast<void*>(__builtin_addressof(value_))) T(std::move(other.value_));
        } else {
            ::new (static_cast<void*>(&error_)) std::error_code(other.error_);
        }
    }
    result& operator=(result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) {
        if (this != &other) {
            this->~result();
            ::new (static_cast<void*>(this)) result(std::move(other));
        }
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
    T&& operator*() && noexcept { return std::move(value_); }
    T* operator->() noexcept { return &value_; }
    /// Throws std::system_error when there is none.
    T value() && {
        if (!ok_) throw std::system_error(error_);
        return std::move(value_);
    }

  private:
    union {
        T value_;
        std::error_code error_;
    };
    bool ok_;
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
class result_awaiter {
  public:
    using bight_awaitable = void;
    explicit result_awaiter(A&& operation) noexcept : operation_(std::move(operation)) {}
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
/// result<chunk>.
template <class A>
    requires requires(A& a) { a.take_result(); }
[[nodiscard("co_await it")]] detail::result_awaiter<A> as_result(A operation) noexcept {
    return detail::result_awaiter<A>{std::move(operation)};
}

/// The same for a task: a std::system_error becomes its code; other exceptions are still thrown.
template <class T>
task<result<T>> as_result(task<T> t) {
    return detail::without_throwing(std::move(t));
}

}  // namespace bight
