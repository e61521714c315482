// watch<T>: a value that tasks can observe, with notification of changes.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/result.hpp>
#include <bight/core/task.hpp>
#include <bight/sync/detail/publication.hpp>
#include <bight/sync/detail/watch.hpp>

#include <concepts>
#include <system_error>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Follows a watch. It may outlive the watch, whose last value stays readable, and may be moved while no task
/// waits in it; destroying or moving one in which a task waits aborts, with a message that names the task's
/// line. Thread: the watch's.
template <class T>
class watch_receiver {
  public:
    using value_type = T;

    watch_receiver(watch_receiver&&) noexcept = default;
    watch_receiver& operator=(watch_receiver&& other) noexcept {
        watch_receiver old(std::move(other));
        place_.swap(old.place_);
        std::swap(state_, old.state_);
        return *this;
    }

    /// `co_await r.changed()` waits for a version that this receiver has not seen, and gives a pointer to the
    /// value, which is then seen; null when the watch is closed and its last version has been seen. Versions
    /// that come faster than the receiver looks at them are skipped; none is seen twice. The pointer is valid
    /// until the next set or update, so at least as long as the task does not await. Throws std::system_error
    /// with errc::busy when another task waits in this receiver. A cancelled wait has seen nothing.
    /// `as_result(r.changed())` gives a result<const T*>, with errc::closed in place of null.
    detail::watch_awaiter<T> changed() noexcept { return detail::watch_awaiter<T>(*this); }

    /// Waits until `predicate(const T&)` is true for the current value or a later one, and gives a pointer to
    /// that value, which is then seen; null when the watch is closed first.
    template <std::predicate<const T&> F>
    task<const T*> wait_for(F predicate) {
        const T* value = &see();
        while (value && !predicate(*value)) value = co_await changed();
        co_return value;
    }

    /// The current value, seen or not.
    const T& borrow() const noexcept { return state_->value(); }
    /// The same, and marks it as seen, unless another task waits in this receiver: that task still gets it.
    const T& see() noexcept {
        state_->check_home();
        if (!place_.in_use()) place_.see(state_->published());
        return state_->value();
    }
    /// True when there is a version that this receiver has not seen: changed() would not wait.
    bool has_changed() const noexcept { return place_.behind(); }
    bool closed() const noexcept { return state_->closed(); }

  private:
    template <class>
    friend class watch;
    friend class detail::watch_awaiter<T>;
    explicit watch_receiver(const detail::publication_reference<detail::watched<T>>& state) noexcept
        : state_(state), place_(*state) {}

    detail::publication_reference<detail::watched<T>> state_;
    detail::subscriber place_;
};

namespace detail {

template <class T>
class [[nodiscard("co_await it"), gnu::warn_unused]] watch_awaiter final : public subscription_waiter {
  public:
    explicit watch_awaiter(watch_receiver<T>& by) noexcept : subscription_waiter(by.place_), by_(&by) {}
    watch_awaiter(watch_awaiter&&) noexcept = default;
    ~watch_awaiter() = default;

    const T* await_resume() {
        const std::error_code error = finish();
        if (!error) return &by_->see();
        if (error == errc::busy) throw std::system_error(error);
        return nullptr;
    }
    result<const T*> take_result() noexcept {
        const std::error_code error = finish();
        if (error) return error;
        return &by_->see();
    }

  private:
    watch_receiver<T>* by_;
};

}  // namespace detail

/// A changing value whose observers need only the latest version: settings, a state, a progress. Nothing is
/// queued: a slow observer skips versions.
///
///     auto settings = watched.subscribe();
///     apply(settings.borrow());
///     while (const auto* latest = co_await settings.changed()) apply(*latest);
///
/// Destroying the watch closes it. Memory is allocated only by the constructor. Thread: one reactor's. When
/// no task uses them any more, watch and receivers may be destroyed on another thread on which no reactor
/// runs.
template <class T>
class watch {
    static_assert(std::is_object_v<T> && !std::is_const_v<T>, "what is watched is an object that can change");

  public:
    using value_type = T;
    using receiver = watch_receiver<T>;

    /// Throws std::bad_alloc, and what T's constructor throws.
    watch()
        requires std::default_initializable<T>
        : state_(new detail::watched<T>()) {}
    template <class U = T>
        requires(std::constructible_from<T, U &&> && !std::same_as<std::remove_cvref_t<U>, watch>)
    explicit watch(U&& value) : state_(new detail::watched<T>(std::forward<U>(value))) {}
    watch(const watch&) = delete;
    watch& operator=(const watch&) = delete;
    ~watch() { state_->source_gone(); }

    /// A receiver that has seen the current value: changed() waits for the next version.
    receiver subscribe() noexcept {
        state_->check_home();
        return receiver(state_);
    }

    /// Sets the value: a new version, even when it equals the last one. Waiting tasks go on in the next turn.
    /// Throws std::system_error with errc::closed after close(), with errc::busy when called from within a
    /// change of the same watch, and what making or assigning a T throws; then there is no new version. If a
    /// T can be swapped without throwing, the old value is destroyed after the new one is in place.
    template <class U = T>
        requires std::is_assignable_v<T&, U&&>
    void set(U&& value) {
        if (!try_set(std::forward<U>(value))) detail::publication::fail_closed("a watch");
    }
    /// The same, but returns false, with `value` unchanged, when the watch is closed.
    template <class U = T>
        requires std::is_assignable_v<T&, U&&>
    bool try_set(U&& value) {
        const auto state = state_;  // the old value's destructor may destroy this
        state->check_home();
        if (state->closed()) return false;
        state->set(std::forward<U>(value));
        return true;
    }

    /// Changes the value in place with `change(T&)`. Makes a new version, unless `change` returns false or
    /// throws. Returns whether there is a new version. Throws std::system_error with errc::closed after
    /// close(), with errc::busy when called from within `change`.
    template <class F>
        requires std::invocable<F&, T&>
    bool update(F change) {
        const auto state = state_;  // as above
        state->check_home();
        if (state->closed()) detail::publication::fail_closed("a watch");
        return state->update(change);
    }

    /// The current value.
    const T& borrow() const noexcept { return state_->value(); }
    /// Ends the changes: receivers get the last version if they have not seen it, then the end. Closing twice
    /// does nothing.
    void close() noexcept { state_->close(); }
    bool closed() const noexcept { return state_->closed(); }

  private:
    detail::publication_reference<detail::watched<T>> state_;
};

}  // namespace bight
