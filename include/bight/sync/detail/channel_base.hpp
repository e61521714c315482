// channel_base: the implementation that channel and priority_queue share.
#pragma once

#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/sync/detail/channel_awaiters.hpp>

#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

/// Throws std::system_error (errc::busy): the constructor of a value that is being sent tried to send to the
/// same channel.
[[noreturn]] void throw_sending(const char* what);
/// Ends the process: "a channel was destroyed while a place in it is kept".
[[noreturn]] void abort_place_kept(const char* what) noexcept;

template <class T>
inline constexpr bool can_be_sent =
    std::is_object_v<T> && !std::is_const_v<T> && std::is_move_constructible_v<T>;

/// T, but another type where T is an error, so that the message on that is the only one.
template <class T>
using sent = std::conditional_t<can_be_sent<T>, T, char>;

/// A queue of tasks that want room (to send or to reserve), a queue of receivers, and between them a store of
/// at most `capacity` values. Both queues are first in, first out. A reserved place counts as a value in the
/// store. Two invariants hold whenever a task runs: when a receiver waits, the store is empty and no task in
/// the other queue has a value; when a task queues for room, there is none. A send delivers directly into the
/// frame of a waiting receiver; a receive gives the room that it makes to the first task in the queue.
///
/// Constructors and destructors of T are user code, which may use the channel again. So each is called when
/// the channel is in a consistent state, on an object that nobody else can reach. One restriction remains:
/// while a value is being constructed, no other can be sent.
///
/// `Store` has push(value), which has no effect when it throws; take(optional&), which removes a value before
/// moving it, even when moving throws; size(), and `name`. During push anything except another push may be
/// called.
template <class T, class Store>
class channel_base {
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

    /// Reserves a place. False when there is no room, or the channel is closed.
    bool try_keep() noexcept {
        home_.check(Store::name);
        if (closed_ || !has_room()) return false;
        ++kept_;
        return true;
    }
    /// Sends `value` into a reserved place and so uses it up; the place stays reserved when this throws.
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

    /// Marks that a value is being constructed here.
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
    /// No value will come after those in the store.
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

    /// False, with `value` unchanged, when it would have to wait.
    template <class U>
    bool put(U&& value) {
        receiver* const r = receivers_.front();
        if (!r && !has_room()) return false;
        const settled after{*this};  // for room that a constructor makes meanwhile
        const sending now(*this);
        if (r) {
            hand(*r, std::forward<U>(value));
        } else {
            store_.push(std::forward<U>(value));
        }
        return true;
    }

    /// When that throws, `r` is back in its place in the queue.
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

    /// False when there is no value.
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

    // With nothing in the store the value moves from the sender's frame to the receiver's. If moving throws,
    // the send fails. Tasks that want to reserve a place are skipped and stay in the queue.
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

    // Gives the available room to the tasks in the queue. If moving a value into the store throws, its send
    // fails, and the room goes to the next task.
    void settle() noexcept {
        if (sending_) return;  // called from a constructor: `settled` does it afterwards
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
    std::size_t kept_ = 0;  // reserved places
    bool closed_ = false;
    bool sending_ = false;
    thread_checker home_;
};

}  // namespace detail
}  // namespace bight
