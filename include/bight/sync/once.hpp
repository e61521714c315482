// once, once_value<T>: lazy one-time initialisation that may await.
#pragma once

#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>
#include <bight/sync/detail/once.hpp>

#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Runs an initialisation once.
///
///     bight::once connected;
///     co_await connected.call([&]() -> bight::task<> { co_await connect(); });
///
/// The first task that calls it runs its initialiser; tasks that call it meanwhile wait, and return when the
/// initialiser has succeeded. If it throws, that task's call throws the error, and the task that has waited
/// longest runs its own initialiser; likewise when the task is cancelled. An initialiser that calls the same
/// once waits for itself.
///
/// Destroying it while an initialiser runs ends the process with a message. Thread: the reactor's; another
/// thread's use is caught in debug builds.
class once : public detail::once_base {
  public:
    once() noexcept = default;

    /// Returns when the initialisation is done; at once when it is done already. `initialiser`, which gives a
    /// task<>, is stored meanwhile, so a lambda with captures is safe. A cancelled task that waits leaves the
    /// queue.
    template <class F>
        requires std::is_invocable_r_v<task<>, F&>
    task<> call(F initialiser) {
        detail::once_turn turn = co_await enter();
        if (turn.mine()) {
            co_await initialiser();
            turn.succeed();
        }
    }
};

/// A value that is made when it is first asked for; otherwise like once.
template <class T>
class once_value : public detail::once_base {
  public:
    once_value() noexcept = default;

    /// The value, made by `initialiser` (which gives a task<T>) if there is none yet. The reference is valid
    /// as long as this object lives.
    template <class F>
        requires std::is_invocable_r_v<task<T>, F&>
    task<T&> get(F initialiser) {
        detail::once_turn turn = co_await enter();
        if (turn.mine()) {
            T made = co_await initialiser();
            value_.emplace(std::move(made));
            turn.succeed();
        }
        co_return *value_;
    }

    /// The value, or null while there is none.
    T* get_if() noexcept { return value_ ? &*value_ : nullptr; }
    const T* get_if() const noexcept { return value_ ? &*value_ : nullptr; }

  private:
    std::optional<T> value_;
};

}  // namespace bight
