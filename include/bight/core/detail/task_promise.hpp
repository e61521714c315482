// task_promise: the promise type of a task, which holds its value.
#pragma once

#include <bight/core/detail/awaitable.hpp>
#include <bight/core/detail/promise.hpp>
#include <bight/core/export.hpp>

#include <exception>
#include <new>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

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
        if (has_value_) value_.~T();
    }

    task<T> get_return_object() noexcept;
    final_awaiter final_suspend() noexcept {
        if (!has_value_ && !error()) [[unlikely]]
            ran_off_its_end();
        return {};
    }

    template <class U = T>
        requires std::is_constructible_v<T, U&&>
    void return_value(U&& value) noexcept(std::is_nothrow_constructible_v<T, U&&>) {
        ::new (static_cast<void*>(__builtin_addressof(value_))) T(std::forward<U>(value));
        has_value_ = true;
    }
    template <class U>
        requires(!std::is_constructible_v<T, U &&>)
    void return_value(U&&) noexcept {
        constexpr bool is_awaitable = bight_awaitable<U>;
        static_assert(
            !is_awaitable,
            "a task gives a value, and not what is still to be awaited: co_return co_await work(), with "
            "std::move(t) for a task that has a name");
        static_assert(
            is_awaitable,
            "the value of co_return does not convert to the task's type, the T of task<T>: convert it, "
            "give what moves only as std::move(x), or change the type of the task");
    }

    T take() {
        if (error()) std::rethrow_exception(error());
        return std::move(value_);
    }

  private:
    union {
        T value_;
    };
    bool has_value_ = false;
};

/// Whether U&&, given for a T&, refers to an object of the caller rather than to a temporary.
template <class U, class T>
concept refers_to_lasting =
    std::is_lvalue_reference_v<U&&> && std::is_convertible_v<std::remove_reference_t<U>*, T*>;
template <class U, class T>
concept gives_reference = requires(U&& u) { static_cast<U&&>(u).operator T&(); };

template <class T>
class task_promise<T&> : public promise_base {
  public:
    task_promise() noexcept = default;
    task<T&> get_return_object() noexcept;
    final_awaiter final_suspend() noexcept {
        if (!value_ && !error()) [[unlikely]]
            ran_off_its_end();
        return {};
    }
    template <class U>
        requires(refers_to_lasting<U, T> || gives_reference<U, T>)
    void return_value(U&& value) noexcept {
        T& referred = static_cast<U&&>(value);
        value_ = __builtin_addressof(referred);
    }
    template <class U>
        requires(!refers_to_lasting<U, T> && !gives_reference<U, T>)
    void return_value(U&&) noexcept {
        static_assert(refers_to_lasting<U, T>,
                      "a task of a reference would give one to a temporary, which is gone before the task "
                      "that awaits goes on: co_return an object that lasts, or make it a task of a value");
    }
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
