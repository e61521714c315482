// Values on their way from tasks that send to tasks that receive: what channel and priority_queue share.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/home_check.hpp>
#include <bight/core/promise.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/core/wait_list.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// A capacity without a bound, for channel and priority_queue.
inline constexpr std::size_t unbounded = static_cast<std::size_t>(-1);

namespace detail {

/// Throws std::system_error (errc::closed): "a channel".
[[noreturn]] void throw_closed(const char* what);

template <class T, class Store>
class hand_off;

/// A task that sends. Its value stays here until it is handed on.
template <class T, class Store>
class send_awaiter final : public listed_waiter {
  public:
    template <class U>
    send_awaiter(hand_off<T, Store>& to, U&& value) : to_(&to), value_(std::forward<U>(value)) {}
    send_awaiter(send_awaiter&& other) noexcept(std::is_nothrow_move_constructible_v<T>)
        : listed_waiter(std::move(other)), to_(other.to_), value_(std::move(other.value_)) {}
    ~send_awaiter() = default;

    bool await_ready() const noexcept { return false; }
    template <class P>
    BIGHT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<P> h) noexcept {
        return suspend(h.promise());
    }
    // These two do not touch what it was sent to, which may have been destroyed since.
    void await_resume() {
        if (error_) std::rethrow_exception(std::move(error_));
        if (closed_) throw_closed(Store::name);
    }
    result<void> take_result() {
        if (error_) std::rethrow_exception(std::move(error_));
        return closed_ ? make_error_code(errc::closed) : std::error_code{};
    }

    void cancel() noexcept override {
        to_->senders_.remove(*this);
        confirm_cancel();
    }
    void describe(std::string& out) const override {
        out += "room in ";
        out += Store::name;
    }

  private:
    friend class hand_off<T, Store>;

    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        to_->home_.check(home(), Store::name);
        try {
            closed_ = to_->closed_;
            if (!closed_ && !to_->put(std::move(value_))) {
                to_->senders_.push_back(*this);
                return true;
            }
        } catch (...) {
            error_ = std::current_exception();
        }
        return finish_now();
    }

    hand_off<T, Store>* to_;
    T value_;
    std::exception_ptr error_;
    bool closed_ = false;
};

/// A task that receives. What it is given is put here.
template <class T, class Store>
class receive_awaiter final : public listed_waiter {
  public:
    explicit receive_awaiter(hand_off<T, Store>& from) noexcept : from_(&from) {}
    receive_awaiter(receive_awaiter&& other) noexcept : listed_waiter(std::move(other)), from_(other.from_) {}
    ~receive_awaiter() = default;

    bool await_ready() const noexcept { return false; }
    template <class P>
    BIGHT_AWAIT_SUSPEND bool await_suspend(std::coroutine_handle<P> h) noexcept {
        return suspend(h.promise());
    }
    // These two do not touch what it received from, which may have been destroyed since.
    std::optional<T> await_resume() {
        if (error_) std::rethrow_exception(std::move(error_));
        return std::move(value_);
    }
    result<T> take_result() {
        if (error_) std::rethrow_exception(std::move(error_));
        if (!value_) return make_error_code(errc::closed);
        return std::move(*value_);
    }

    void cancel() noexcept override {
        from_->receivers_.remove(*this);
        confirm_cancel();
    }
    void describe(std::string& out) const override {
        out += "a value from ";
        out += Store::name;
    }

  private:
    friend class hand_off<T, Store>;

    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        from_->home_.check(home(), Store::name);
        try {
            if (!from_->take(value_) && !from_->closed_) {
                from_->receivers_.push_back(*this);
                return true;
            }
        } catch (...) {
            error_ = std::current_exception();
        }
        return finish_now();
    }

    hand_off<T, Store>* from_;
    std::optional<T> value_;
    std::exception_ptr error_;
};

/// Senders on one side, receivers on the other, both served in the order in which they came, and a store of
/// at most `capacity` values between them. Two things hold whenever a task runs: when a receiver waits, the
/// store is empty and no sender waits; when a sender waits, the store is full. A waiting receiver is given
/// the value of the next send itself, in its frame, and a waiting sender's value moves into the room that
/// the next receive makes.
///
/// `Store` has push(value), which has no effect when it throws; take(optional&), which takes a value out even
/// when moving it throws; size(), and `name`.
template <class T, class Store>
class hand_off {
    static_assert(std::is_object_v<T> && !std::is_const_v<T> && std::is_move_constructible_v<T>,
                  "what is sent is an object that can be moved");

  public:
    template <class... As>
    explicit hand_off(std::size_t capacity, As&&... for_store)
        : store_(std::forward<As>(for_store)...), capacity_(capacity) {}
    hand_off(const hand_off&) = delete;
    hand_off& operator=(const hand_off&) = delete;
    ~hand_off() {
        if (senders_.front()) senders_.front()->abort_destroyed(Store::name);
        if (receivers_.front()) receivers_.front()->abort_destroyed(Store::name);
    }

    template <class U>
    bool try_send(U&& value) {
        home_.check(Store::name);
        return !closed_ && put(std::forward<U>(value));
    }
    std::optional<T> try_receive() {
        home_.check(Store::name);
        std::optional<T> value;
        take(value);
        return value;
    }

    void close() noexcept {
        home_.check(Store::name);
        closed_ = true;
        while (receiver* r = receivers_.pop_front()) r->ready();
        while (sender* s = senders_.pop_front()) {
            s->closed_ = true;
            s->ready();
        }
    }

    bool closed() const noexcept { return closed_; }
    std::size_t size() const noexcept { return store_.size(); }
    std::size_t capacity() const noexcept { return capacity_; }

  private:
    using sender = send_awaiter<T, Store>;
    using receiver = receive_awaiter<T, Store>;
    friend sender;
    friend receiver;

    /// False, with `value` as it was, when it would have to wait.
    template <class U>
    bool put(U&& value) {
        if (receiver* r = receivers_.front()) {
            r->value_.emplace(std::forward<U>(value));  // when this throws, r has the same place as before
            receivers_.remove(*r);
            r->ready();
            return true;
        }
        if (store_.size() >= capacity_) return false;
        store_.push(std::forward<U>(value));
        return true;
    }

    /// False when there is nothing.
    bool take(std::optional<T>& into) {
        if (store_.size() == 0) return take_from_sender(into);
        if (!senders_.empty()) {
            const refilled after{*this};
            store_.take(into);
        } else {
            store_.take(into);
        }
        return true;
    }

    // Without a store the value goes from frame to frame. A move that throws fails the send.
    bool take_from_sender(std::optional<T>& into) noexcept {
        while (sender* s = senders_.pop_front()) {
            try {
                into.emplace(std::move(s->value_));
            } catch (...) {
                s->error_ = std::current_exception();
            }
            s->ready();
            if (into) return true;
        }
        return false;
    }

    struct refilled {
        hand_off& self;
        ~refilled() { self.refill(); }
    };

    // A value that cannot be moved into the store fails its send, and the room is the next sender's.
    void refill() noexcept {
        while (store_.size() < capacity_) {
            sender* const s = senders_.pop_front();
            if (!s) return;
            try {
                store_.push(std::move(s->value_));
            } catch (...) {
                s->error_ = std::current_exception();
            }
            s->ready();
        }
    }

    wait_list<sender> senders_;
    wait_list<receiver> receivers_;
    Store store_;
    std::size_t capacity_;
    bool closed_ = false;
    home_check home_;
};

}  // namespace detail
}  // namespace bight
