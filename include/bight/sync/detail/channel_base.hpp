// Values on their way from tasks that send to tasks that receive: what channel and priority_queue share.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/promise.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>

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

/// The same with errc::busy: a constructor of a value that is being sent sends to the same channel.
[[noreturn]] void throw_sending(const char* what);
/// Ends the process: "a channel was destroyed while a place in it is kept".
[[noreturn]] void abort_place_kept(const char* what) noexcept;

template <class T, class Store>
class channel_base;

/// A task in line for room: with a value, or for a place that is kept for it.
template <class T, class Store>
class [[nodiscard("co_await it"), gnu::warn_unused]] room_waiter : public listed_waiter {
  public:
    // Out of line it is being served: what serving it calls may cancel it, and success beats that.
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

    /// `try_now()` gives true when it has what it came for, or an error; false when it has to wait.
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
    T* offered_ = nullptr;  // null for one that wants a place
    std::exception_ptr error_;
    bool closed_ = false;

  private:
    friend class channel_base<T, Store>;
    bool listed_ = false;
};

/// A task that sends. Its value stays here until it is handed on.
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

    // These two do not touch what it was sent to, which may have been destroyed since.
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

/// A task that receives. What it is given is put here.
template <class T, class Store>
class [[nodiscard("co_await it"), gnu::warn_unused]] receive_awaiter final
    : public listed_waiter,
      public awaiter_base<receive_awaiter<T, Store>> {
  public:
    explicit receive_awaiter(channel_base<T, Store>& from) noexcept : from_(&from) {}
    receive_awaiter(receive_awaiter&& other) noexcept : listed_waiter(std::move(other)), from_(other.from_) {}
    ~receive_awaiter() = default;

    // These two do not touch what it received from, which may have been destroyed since.
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
        if (owner().cancel_requested()) {  // by a constructor that failed, meanwhile
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

/// Those who want room on one side, receivers on the other, both served in the order in which they came, and
/// a store of at most `capacity` values between them. A place that is kept counts as a value in the store.
/// Two things hold whenever a task runs: when a receiver waits, the store is empty and nobody in line has a
/// value; when somebody is in line, there is no room. A waiting receiver is given the value of the next send
/// itself, in its frame, and the first in line gets the room that the next receive makes.
///
/// Constructors and destructors of T are anybody's code, which may use this again: each is called when
/// everything else is as it should be, on what nobody else can reach any more. The one exception is that a
/// value is being made: then no other can be sent.
///
/// `Store` has push(value), which has no effect when it throws; take(optional&), which takes a value out
/// before it moves it, even when that throws; size(), and `name`. While it pushes it may be asked for all but
/// another push.
template <class T, class Store>
class channel_base {
    static_assert(std::is_object_v<T> && !std::is_const_v<T> && std::is_move_constructible_v<T>,
                  "what is sent is an object that can be moved");

  public:
    template <class... As>
    explicit channel_base(std::size_t capacity, As&&... for_store)
        : store_(std::forward<As>(for_store)...), capacity_(capacity) {}
    channel_base(const channel_base&) = delete;
    channel_base& operator=(const channel_base&) = delete;
    ~channel_base() {
        if (line_.front()) line_.front()->abort_destroyed(Store::name);
        if (receivers_.front()) receivers_.front()->abort_destroyed(Store::name);
        if (kept_ > 0) abort_place_kept(Store::name);
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

    /// Keeps a place. False when there is none, or it is closed.
    bool try_keep() noexcept {
        home_.check(Store::name);
        if (closed_ || !has_room()) return false;
        ++kept_;
        return true;
    }
    /// Puts `value` into a place that is kept, which is given back by that; not when it throws.
    template <class U>
    void fill(U&& value) {
        home_.check(Store::name);
        {
            const settled after{*this};
            const sending now(*this);
            if (receiver* const r = receivers_.front()) {
                hand(*r, std::forward<U>(value));
            } else {
                store_.push(std::forward<U>(value));
            }
        }
        give_back();
    }
    void give_back() noexcept {
        if (line_.empty() && receivers_.empty()) {
            home_.check_at_end(Store::name);
        } else {
            home_.check(Store::name);
        }
        --kept_;
        if (ended()) end_receivers();
        settle();
    }

    void close() noexcept {
        home_.check(Store::name);
        closed_ = true;
        if (ended()) end_receivers();
        while (in_line* const w = line_.front()) {
            leave_line(*w);
            w->closed_ = true;
            w->ready();
        }
    }

    bool closed() const noexcept { return closed_; }
    std::size_t size() const noexcept { return store_.size(); }
    std::size_t capacity() const noexcept { return capacity_; }

  private:
    using in_line = room_waiter<T, Store>;
    using receiver = receive_awaiter<T, Store>;
    friend in_line;
    friend send_awaiter<T, Store>;
    friend receiver;

    /// While a value is being made here.
    class sending {
      public:
        explicit sending(channel_base& h) : flag_(h.sending_) {
            if (flag_) throw_sending(Store::name);
            flag_ = true;
        }
        sending(const sending&) = delete;
        sending& operator=(const sending&) = delete;
        ~sending() { flag_ = false; }

      private:
        bool& flag_;
    };

    bool has_room() const noexcept { return capacity_ - store_.size() > kept_; }
    /// What is in the store is all that there will be.
    bool ended() const noexcept { return closed_ && kept_ == 0; }

    void stand_in_line(in_line& w) noexcept {
        line_.push_back(w);
        w.listed_ = true;
    }
    void leave_line(in_line& w) noexcept {
        line_.remove(w);
        w.listed_ = false;
    }
    void remove(receiver& r) noexcept {
        receivers_.remove(r);
        r.listed_ = false;
    }
    void end_receivers() noexcept {
        while (receiver* const r = receivers_.front()) {
            remove(*r);
            r->ready();
        }
    }

    /// False, with `value` as it was, when it would have to wait.
    template <class U>
    bool put(U&& value) {
        receiver* const r = receivers_.front();
        if (!r && !has_room()) return false;
        const settled after{*this};  // what a constructor gives back meanwhile
        const sending now(*this);
        if (r) {
            hand(*r, std::forward<U>(value));
        } else {
            store_.push(std::forward<U>(value));
        }
        return true;
    }

    /// When that throws, `r` has the same place as before.
    template <class U>
    void hand(receiver& r, U&& value) {
        remove(r);
        try {
            r.value_.emplace(std::forward<U>(value));
        } catch (...) {
            if (r.owner().cancel_requested()) {
                r.confirm_cancel();
            } else if (ended()) {
                r.ready();
            } else {
                receivers_.insert(receivers_.front(), r);
                r.listed_ = true;
            }
            throw;
        }
        r.ready();
    }

    /// False when there is nothing.
    bool take(std::optional<T>& into) {
        if (store_.size() == 0) return take_from_line(into);
        if (!line_.empty()) {
            const settled after{*this};
            store_.take(into);
        } else {
            store_.take(into);
        }
        return true;
    }

    // Without a store the value goes from frame to frame. A move that throws fails the send. Those who want a
    // place get nothing by that, and lose nothing.
    bool take_from_line(std::optional<T>& into) noexcept {
        for (;;) {
            in_line* w = line_.front();
            while (w && !w->offered_) w = line_.next(*w);
            if (!w) {
                settle();
                return false;
            }
            leave_line(*w);
            const bool within = std::exchange(sending_, true);
            try {
                into.emplace(std::move(*w->offered_));
            } catch (...) {
                w->error_ = std::current_exception();
            }
            sending_ = within;
            w->ready();
            if (into) {
                settle();
                return true;
            }
        }
    }

    struct settled {
        channel_base& self;
        ~settled() { self.settle(); }
    };

    // Gives what room there is to those in line. A value that cannot be moved into the store fails its send,
    // and the room is the next one's.
    void settle() noexcept {
        if (sending_) return;  // within a constructor: this goes on when that has ended
        while (!line_.empty() && has_room()) {
            in_line& w = *line_.front();
            leave_line(w);
            if (w.offered_) {
                try {
                    const sending now(*this);
                    store_.push(std::move(*w.offered_));
                } catch (...) {
                    w.error_ = std::current_exception();
                }
            } else {
                ++kept_;
            }
            w.ready();
        }
    }

    wait_list<in_line> line_;
    wait_list<receiver> receivers_;
    Store store_;
    std::size_t capacity_;
    std::size_t kept_ = 0;  // places
    bool closed_ = false;
    bool sending_ = false;
    thread_checker home_;
};

}  // namespace detail
}  // namespace bight
