// deferred<T>: the bridge from callbacks to tasks.
#pragma once

#include <bight/core/detail/deferred.hpp>
#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/error.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>
#include <exception>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// A result that does not exist yet. Fired once, by a callback, with a value or an error; awaited by any
/// number of tasks, before or after. Those that wait are resumed in the order in which they came, in the turn
/// after the firing and never inside it. Copies refer to the same result. An error that nobody ever awaited
/// goes to the error handler when the last copy is gone.
///
/// Cancelling a task that waits takes it off the list; when nobody waits any more, and it has not fired, the
/// producer is told (on_abandoned). It may fire all the same, and a later await gets the result.
///
/// Thread: the reactor's on which it was made. Elsewhere firing and awaiting throw errc::wrong_thread, and in
/// debug builds (without NDEBUG) copying ends the process: fire it through reactor::post from another thread,
/// with a reference; values for another reactor's tasks go through a concurrent_channel.
template <class T = void>
class [[nodiscard("co_await it, or keep it for the one who fires it")]] deferred {
  public:
    /// Throws std::bad_alloc.
    deferred() = default;

    /// Fires with a value. Throws std::system_error (errc::already_fired), changing nothing, when it has
    /// fired.
    template <class U = T>
        requires(!std::is_void_v<T> && std::is_constructible_v<T, U &&>)
    void set_value(U&& value) const {
        if (!try_set_value(std::forward<U>(value))) detail::deferred_base::throw_already_fired();
    }
    void set_value() const
        requires std::is_void_v<T>
    {
        if (!try_set_value()) detail::deferred_base::throw_already_fired();
    }
    /// Fires with an error (not null). Throws like set_value.
    void set_error(std::exception_ptr error) const {
        if (!try_set_error(std::move(error))) detail::deferred_base::throw_already_fired();
    }

    /// The same, but false when it has fired.
    template <class U = T>
        requires(!std::is_void_v<T> && std::is_constructible_v<T, U &&>)
    bool try_set_value(U&& value) const {
        state_->check_thread();
        return state_->try_set(std::forward<U>(value));
    }
    bool try_set_value() const
        requires std::is_void_v<T>
    {
        state_->check_thread();
        return state_->try_set();
    }
    bool try_set_error(std::exception_ptr error) const {
        state_->check_thread();
        return state_->try_fire_error(std::move(error));
    }

    bool fired() const noexcept { return state_->fired(); }

    /// `f()` is called, from the reactor's loop in its next turn, each time the last waiting task was
    /// cancelled before the firing, and before the destructors of that task run; not if another task waits by
    /// then. It may do whatever a task may: fire, start tasks. What it throws goes to the error handler.
    /// Replaces what was set before.
    template <class F>
    void on_abandoned(F f) const {
        state_->on_abandoned(new detail::stored_abandoned_callback<T, F>(*state_, std::move(f)));
    }

    /// `co_await d` gives `const T&`, valid while a copy of d is; it throws the error if it was fired with
    /// one.
    detail::deferred_awaiter<T> operator co_await() const& noexcept {
        return detail::deferred_awaiter<T>{state_};
    }
    /// `co_await std::move(d)` gives the value itself, for the only one that waits.
    detail::deferred_taker<T> operator co_await() && noexcept { return detail::deferred_taker<T>{state_}; }
    using bight_awaitable = void;
    using value_type = T;

  private:
    detail::deferred_reference<T> state_;
};

}  // namespace bight
