// The promise of a task.
#pragma once

#include <bight/core/promise.hpp>

#include <exception>
#include <new>
#include <type_traits>
#include <utility>

namespace bight {

template <class T>
class task;

namespace detail {

/// Holds the value of a task from co_return until its awaiter takes it.
template <class T>
class task_promise : public promise_base {
  public:
    task_promise() noexcept {}
    ~task_promise()
        requires std::is_trivially_destructible_v<T>
    = default;
    ~task_promise() {
        if (has_value_.yes) value_.~T();
    }

    task<T> get_return_object() noexcept;

    template <class U = T>
        requires std::is_constructible_v<T, U&&>
    void return_value(U&& value) noexcept(std::is_nothrow_constructible_v<T, U&&>) {
        ::new (static_cast<void*>(__builtin_addressof(value_))) T(std::forward<U>(value));
        has_value_.set();
    }

    T take() {
        if (error()) std::rethrow_exception(error());
        return std::move(value_);
    }

  private:
    // What need not be destroyed need not be known to be there.
    struct flag {
        bool yes = false;
        void set() noexcept { yes = true; }
    };
    struct no_flag {
        void set() noexcept {}
    };

    union {
        T value_;
    };
    [[no_unique_address]] std::conditional_t<std::is_trivially_destructible_v<T>, no_flag, flag> has_value_;
};

template <class T>
class task_promise<T&> : public promise_base {
  public:
    task_promise() noexcept = default;
    task<T&> get_return_object() noexcept;
    void return_value(T& value) noexcept { value_ = __builtin_addressof(value); }
    T& take() {
        if (error()) std::rethrow_exception(error());
        return *value_;
    }

  private:
    T* value_ = nullptr;
};

template <>
class task_promise<void> : public promise_base {
  public:
    task_promise() noexcept = default;
    task<void> get_return_object() noexcept;
    void return_void() const noexcept {}
    void take() const {
        if (error()) std::rethrow_exception(error());
    }
};

}  // namespace detail
}  // namespace bight
