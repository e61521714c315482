// Implementation of bight/core/task.hpp.
#pragma once

#include <bight/core/detail/borrowed_arguments.hpp>  // which promise a coroutine has; IWYU pragma: keep
#include <bight/core/detail/task_promise.hpp>
#include <bight/core/export.hpp>

#include <coroutine>
#include <source_location>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

/// Ends the process: "a task was awaited that …", at `where` if that is known.
[[noreturn]] void misused_task(std::source_location where = std::source_location()) noexcept;

/// Destroys the frame of a coroutine that failed: destructors of its parameters see that error (failing.hpp).
void destroy_failed(std::coroutine_handle<> frame) noexcept;

/// Owns the frame of a task: the common part of task and of its awaiter.
template <class T>
class task_handle {
  public:
    using promise_type = task_promise<T>;

    task_handle() noexcept = default;
    explicit task_handle(promise_type& p) noexcept : handle_(p.self()) {
        static_assert(alignof(promise_type) <= frame_alignment,
                      "a task's value may need an alignment of 16 bytes at most: compilers do not align "
                      "coroutine frames further (give it as a std::unique_ptr)");
    }
    task_handle(task_handle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    task_handle& operator=(task_handle&& other) noexcept {
        if (this != &other) {
            reset();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    ~task_handle() {
        if (handle_) destroy(handle_);
    }

    explicit operator bool() const noexcept { return static_cast<bool>(handle_); }
    promise_type& promise() const noexcept {
        return std::coroutine_handle<promise_type>::from_address(handle_.address()).promise();
    }
    std::coroutine_handle<>& handle() noexcept { return handle_; }

    /// Takes over the frame of `other`. This handle must be empty. (Cheaper than assigning.)
    void take_from(task_handle& other) noexcept { handle_ = std::exchange(other.handle_, nullptr); }
    void reset() noexcept {
        if (auto h = std::exchange(handle_, nullptr)) destroy(h);
    }

    /// The value, or the error as an exception; the frame is freed before the caller goes on.
    T take() {
        const freed_on_return guard{*this};
        return promise().take();
    }

  private:
    // Clears the handle last, so that the compiler knows it is null when the task_handle is destroyed.
    struct freed_on_return {
        task_handle& of;
        ~freed_on_return() {
            of.handle_.destroy();
            of.handle_ = nullptr;
        }
    };

    static void destroy(std::coroutine_handle<> frame) noexcept {
        const auto& p = std::coroutine_handle<promise_type>::from_address(frame.address()).promise();
        if (p.error()) [[unlikely]] {
            destroy_failed(frame);
        } else {
            frame.destroy();
        }
    }

    std::coroutine_handle<> handle_;  // cleared by the job when the chain unwinds
};

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] task_awaiter {
  public:
    using bight_awaitable = void;

    explicit task_awaiter(task_handle<T>&& h) noexcept : task_(std::move(h)) {}

    bool await_ready() const noexcept { return false; }
    template <class P>
    BIGHT_AWAIT_SUSPEND std::coroutine_handle<> await_suspend(std::coroutine_handle<P> awaiting) noexcept {
        if (!task_) misused_task(static_cast<const promise_base&>(awaiting.promise()).where());
        task_.promise().join_chain(awaiting.promise(), task_.handle());
        return task_.handle();
    }
    T await_resume() { return task_.take(); }

  private:
    task_handle<T> task_;
};

}  // namespace detail

}  // namespace bight
