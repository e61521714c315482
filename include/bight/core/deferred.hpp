// deferred<T>: a promise that a callback fulfils and tasks await (a one-shot future).
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

/// A result that does not exist yet. A callback fires it once, with a value or an error; any number of tasks
/// may await it, before or after that. Waiting tasks are resumed in the order in which they came, in the next
/// turn, never inside the call that fires it. Copies refer to the same result. An error that nobody ever
/// awaited goes to the error handler when the last copy is gone.
///
/// A cancelled task stops waiting. When the last waiting task is cancelled before the firing, the producer is
/// told (on_abandoned). It may still fire, and a later await gets the result.
///
/// Thread: that of the reactor on which it was made. On another thread firing and awaiting throw
/// errc::wrong_thread, and in debug builds (without NDEBUG) copying ends the process. To fire it from another
/// thread, post a call that holds a reference to it (reactor::post); to send values to another reactor's
/// tasks, use a concurrent_channel.
template <class T = void>
class [[nodiscard("co_await it, or keep it for the one who fires it")]] deferred {
  public:
    /// Throws std::bad_alloc.
    deferred() = default;

    /// Fires with a value. When it has fired already, throws std::system_error (errc::already_fired) and
    /// changes nothing.
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

    /// The same, but returns false when it has fired already.
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

    /// Has `f()` called each time the last waiting task is cancelled before the firing. The reactor's loop
    /// calls it in its next turn, before that task's destructors run, unless another task waits by then. `f`
    /// may do whatever a task may: fire, start tasks. What it throws goes to the error handler. Replaces an
    /// earlier callback.
    template <class F>
    void on_abandoned(F f) const {
        state_->on_abandoned(new detail::stored_abandoned_callback<T, F>(*state_, std::move(f)));
    }

    /// `co_await d` gives `const T&`, valid while a copy of d exists; it throws the error if d was fired with
    /// one.
    detail::deferred_awaiter<T> operator co_await() const& noexcept {
        return detail::deferred_awaiter<T>{state_};
    }
    /// `co_await std::move(d)` moves the value out, for when only one task waits.
    detail::deferred_taker<T> operator co_await() && noexcept { return detail::deferred_taker<T>{state_}; }
    using bight_awaitable = void;
    using value_type = T;

  private:
    detail::deferred_reference<T> state_;
};

}  // namespace bight
