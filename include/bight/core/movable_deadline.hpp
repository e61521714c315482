// movable_deadline: a deadline that can be moved while a task runs under it.
#pragma once

#include <bight/core/detail/movable_deadline.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/timeout.hpp>

#include <source_location>
#include <utility>

namespace BIGHT_EXPORT bight {

/// The deadline of a with_timeout, which the task that runs under it, or another one, may move:
///
///     bight::movable_deadline limit(30s);
///     co_await bight::with_timeout(upload(peer, limit), limit);
///
/// where upload calls `limit.push()` after each part that has come. It begins when with_timeout is awaited,
/// or with the first move. To move it to a later time costs next to nothing, so it may be moved for each
/// byte. One with_timeout at a time waits for it; it may be used again for another one.
///
/// Destroying it while with_timeout waits for it ends the process with a message. Thread: the reactor's.
class movable_deadline {
  public:
    explicit movable_deadline(duration limit) noexcept : limit_(limit) {}
    // What no other constructor takes.
    template <class Here = decltype([] {}), bool fits = false>
    explicit movable_deadline(detail::anything = {}) {
        static_assert(fits,
                      "movable_deadline(limit) takes a length of time with its unit: 30s, 500ms, "
                      "std::chrono::seconds(n); for a point in time write move_to(t) then");
    }
    movable_deadline(const movable_deadline&) = delete;
    movable_deadline& operator=(const movable_deadline&) = delete;
    ~movable_deadline() {
        if (waiting_) destroyed_in_use();
    }

    /// Moves it to the limit given to the constructor, counted from now. Once it has passed, this has no
    /// effect on the task, which has been cancelled. Throws std::logic_error, naming the line, where no
    /// reactor runs.
    void push(std::source_location where = std::source_location::current());
    // What no other overload takes.
    template <class Here = decltype([] {}), bool fits = false>
    void push(detail::anything) {
        static_assert(fits,
                      "push() takes nothing, and moves the deadline to its own limit from now; to another "
                      "time write move_to(bight::now() + 5s)");
    }
    /// Moves it to `t`, which may be earlier than before; a time that has passed ends the task soon.
    void move_to(time_point t) noexcept {
        due_ = t;
        begun_ = true;
        if (waiting_) waiting_->move(t);
    }
    // What no other overload takes.
    template <class Here = decltype([] {}), bool fits = false>
    void move_to(detail::anything = {}) {
        static_assert(fits,
                      "move_to(t) takes a time_point of bight::clock: move_to(bight::now() + 5s); push() "
                      "moves it to its own limit from now");
    }

    /// When it comes, on the reactor's clock; time_point::max() before it has begun.
    time_point when() const noexcept { return begun_ ? due_ : time_point::max(); }
    duration limit() const noexcept { return limit_; }

  private:
    template <class T>
    friend class detail::moved_timeout_scope;
    void claim() const;
    time_point begin(detail::lazy_timer& waiting, const reactor& home) noexcept;
    void end() noexcept {
        waiting_ = nullptr;
        begun_ = false;
    }
    [[noreturn]] static void destroyed_in_use() noexcept;

    duration limit_;
    time_point due_{};
    detail::lazy_timer* waiting_ = nullptr;
    bool begun_ = false;
};

/// Runs `awaited` until `limit` comes, which may be moved meanwhile; otherwise like with_timeout with a
/// duration. `limit` must live until the await has ended. Throws std::system_error with errc::busy when
/// another with_timeout waits for it.
template <class A>
detail::moved_timeout_awaiter<detail::awaited_type<A>> with_timeout(A awaited, movable_deadline& limit) {
    return {detail::to_task(std::move(awaited)), limit};
}

/// The same as try_with_timeout.
template <class A>
detail::optional_moved_timeout_awaiter<detail::awaited_type<A>> try_with_timeout(A awaited,
                                                                                 movable_deadline& limit) {
    return {detail::to_task(std::move(awaited)), limit};
}

namespace detail {

template <class T>
std::coroutine_handle<> moved_timeout_scope<T>::suspend(promise_base& p) {
    by_->claim();  // may throw, and nothing may from begin on
    if (!this->begin(p)) return std::noop_coroutine();
    return this->launch(by_->begin(*this, this->home()));
}

template <class T>
void moved_timeout_scope<T>::over() noexcept {
    by_->end();
}

}  // namespace detail

}  // namespace bight
