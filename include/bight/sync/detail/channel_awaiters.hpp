// The awaiters of channel and priority_queue.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/promise.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/error.hpp>
#include <bight/core/export.hpp>
#include <bight/core/result.hpp>

#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Throws std::system_error (errc::closed): "a channel".
[[noreturn]] void throw_closed(const char* what);

template <class T, class Store>
class channel_base;

/// A task that queues for room: to send a value, or to reserve a place.
template <class T, class Store>
class [[nodiscard("co_await it"), gnu::warn_unused]] room_waiter : public listed_waiter {
  public:
    // When it is not in the queue it is being served. The code that serves it may cancel it, but success
    // beats cancellation.
    void cancel() noexcept override {
        if (!listed_) return;
        to_->leave_line(*this);
        confirm_cancel();
    }
    void describe(std::string& out) const override {
        out += "room in ";
        out += Store::name;
    }

  protected:
    explicit room_waiter(channel_base<T, Store>& to) noexcept : to_(&to) {}
    room_waiter(room_waiter&& other) noexcept : listed_waiter(std::move(other)), to_(other.to_) {}
    ~room_waiter() = default;

    /// `try_now()` returns true when it has succeeded or failed; false when it has to wait.
    template <class F>
    bool wait_for_room(promise_base& p, F try_now) noexcept {
        if (!begin(p)) return true;
        to_->home_.check(home(), Store::name);
        closed_ = to_->closed_;
        if (closed_ || try_now()) return finish_now();
        to_->stand_in_line(*this);
        return true;
    }

    channel_base<T, Store>* to_;
    T* offered_ = nullptr;  // null when it reserves a place
    std::exception_ptr error_;
    bool closed_ = false;

  private:
    friend class channel_base<T, Store>;
    bool listed_ = false;
};

/// A task that sends. Its value stays here until it is delivered.
template <class T, class Store>
class [[nodiscard("co_await it"), gnu::warn_unused]] send_awaiter final
    : public room_waiter<T, Store>,
      public awaiter_base<send_awaiter<T, Store>> {
  public:
    template <class U>
    send_awaiter(channel_base<T, Store>& to, U&& value)
        : room_waiter<T, Store>(to), value_(std::forward<U>(value)) {}
    send_awaiter(send_awaiter&& other) noexcept(std::is_nothrow_move_constructible_v<T>)
        : room_waiter<T, Store>(std::move(other)), value_(std::move(other.value_)) {}
    ~send_awaiter() = default;

    // These two must not use the channel, which may have been destroyed since.
    void await_resume() {
        if (this->error_) std::rethrow_exception(std::move(this->error_));
        if (this->closed_) throw_closed(Store::name);
    }
    result<void> take_result() {
        if (this->error_) std::rethrow_exception(std::move(this->error_));
        return this->closed_ ? make_error_code(errc::closed) : std::error_code{};
    }

  private:
    friend awaiter_base<send_awaiter>;
    bool suspend(promise_base& p) noexcept {
        return this->wait_for_room(p, [this]() noexcept { return try_now(); });
    }
    bool try_now() noexcept {
        this->offered_ = __builtin_addressof(value_);
        try {
            return this->to_->put(std::move(value_));
        } catch (...) {
            this->error_ = std::current_exception();
        }
        return true;
    }

    T value_;
};

/// A task that receives. The value is delivered here.
template <class T, class Store>
class [[nodiscard("co_await it"), gnu::warn_unused]] receive_awaiter final
    : public listed_waiter,
      public awaiter_base<receive_awaiter<T, Store>> {
  public:
    explicit receive_awaiter(channel_base<T, Store>& from) noexcept : from_(&from) {}
    receive_awaiter(receive_awaiter&& other) noexcept : listed_waiter(std::move(other)), from_(other.from_) {}
    ~receive_awaiter() = default;

    // These two must not use the channel, which may have been destroyed since.
    std::optional<T> await_resume() {
        if (error_) std::rethrow_exception(std::move(error_));
        return std::move(value_);
    }
    result<T> take_result() {
        if (error_) std::rethrow_exception(std::move(error_));
        if (!value_) return make_error_code(errc::closed);
        return result<T>(std::in_place, [this]() -> T { return std::move(*value_); });
    }

    void cancel() noexcept override {  // see room_waiter
        if (!listed_) return;
        from_->remove(*this);
        confirm_cancel();
    }
    void describe(std::string& out) const override {
        out += "a value from ";
        out += Store::name;
    }

  private:
    friend class channel_base<T, Store>;
    friend awaiter_base<receive_awaiter>;

    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        from_->home_.check(home(), Store::name);
        try {
            if (!from_->take(value_) && !from_->ended()) return wait();
        } catch (...) {
            error_ = std::current_exception();
        }
        return finish_now();
    }
    bool wait() noexcept {
        if (owner().cancel_requested()) {  // a constructor cancelled this task and then failed
            confirm_cancel();
        } else {
            from_->receivers_.push_back(*this);
            listed_ = true;
        }
        return true;
    }

    channel_base<T, Store>* from_;
    std::optional<T> value_;
    std::exception_ptr error_;
    bool listed_ = false;
};

}  // namespace detail
}  // namespace bight
