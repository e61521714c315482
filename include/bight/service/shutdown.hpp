// shutdown_phases: hooks that run before, during and after the shutdown of a program.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>
#include <bight/core/task.hpp>

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

class shutdown_phases;

enum class shutdown_phase : std::uint8_t {
    before,  ///< drain: everything still runs; the hooks run concurrently, begun in order of registration
    during,  ///< close: one hook after the other, the last registered first
    after,   ///< release: one hook after the other, the last registered first
};

namespace detail {

/// A callable for one phase.
class shutdown_call {
  public:
    shutdown_call() noexcept = default;
    shutdown_call(const shutdown_call&) = delete;
    shutdown_call& operator=(const shutdown_call&) = delete;
    virtual ~shutdown_call() = default;
    virtual task<> begin() = 0;

    shutdown_phases* on = nullptr;  // null once it has begun, or when it will never begin
    shutdown_phase phase = shutdown_phase::before;
    std::string name;
};

template <class F>
class stored_shutdown_call final : public shutdown_call {
  public:
    explicit stored_shutdown_call(F&& f) : callable_(std::move(f)) {}
    task<> begin() override { return call(callable_); }

  private:
    // A separate coroutine, so that an exception of the call itself is an error like any other.
    static task<> call(F& callable) {
        if constexpr (std::is_invocable_r_v<task<>, F&>) {
            task<> begun = callable();
            co_await std::move(begun);
        } else {
            callable();
            co_return;
        }
    }
    F callable_;
};

template <class F>
concept shutdown_callable = std::is_invocable_r_v<task<>, F&> ||
                            (std::is_invocable_v<F&> && std::is_void_v<std::invoke_result_t<F&>>);

}  // namespace detail

/// Keeps a hook registered: destroying this removes the hook, unless it has begun. Thread: the reactor's.
class [[nodiscard("the hook is taken out when this is destroyed")]] shutdown_hook {
  public:
    shutdown_hook() noexcept = default;
    explicit shutdown_hook(std::shared_ptr<detail::shutdown_call> call) noexcept : call_(std::move(call)) {}
    shutdown_hook(shutdown_hook&&) noexcept = default;
    shutdown_hook& operator=(shutdown_hook&& other) noexcept {
        if (this != &other) {
            remove();
            call_ = std::move(other.call_);
        }
        return *this;
    }
    ~shutdown_hook() { remove(); }

    /// Whether it will still run.
    bool pending() const noexcept { return call_ && call_->on; }
    /// Removes the hook. False when it has begun, or was removed before.
    bool remove() noexcept;

  private:
    std::shared_ptr<detail::shutdown_call> call_;
};

/// Hooks for the phases of a shutdown: before, during, after. A hook is a callable that gives a task<>, or
/// nothing; it is stored until its task has ended, so a lambda that captures is safe. It runs once. If it
/// fails or takes too long, that is reported to the error handler, and the phase goes on. Thread: the
/// reactor's.
class shutdown_phases {
  public:
    shutdown_phases() noexcept = default;
    shutdown_phases(const shutdown_phases&) = delete;
    shutdown_phases& operator=(const shutdown_phases&) = delete;
    /// Drops the hooks that have not run.
    ~shutdown_phases();

    /// `name` is for reports. A hook that is added while its phase runs still runs in that phase.
    template <class F>
        requires detail::shutdown_callable<std::decay_t<F>>
    shutdown_hook add(shutdown_phase phase, std::string_view name, F&& f) {
        return add_call(phase, name,
                        std::make_shared<detail::stored_shutdown_call<std::decay_t<F>>>(
                            std::decay_t<F>(std::forward<F>(f))));
    }

    /// Runs the hooks of one phase, each for at most `deadline`, after which it is cancelled. The hooks run
    /// even if the awaiting task is cancelled; reactor::stop_now ends the deadlines at once.
    task<> run(shutdown_phase phase, duration deadline);

  private:
    friend class shutdown_hook;
    shutdown_hook add_call(shutdown_phase phase, std::string_view name,
                           std::shared_ptr<detail::shutdown_call> call);
    task<> run_hooks(shutdown_phase phase, duration deadline);
    void forget(const detail::shutdown_call& call) noexcept;
    bool has(shutdown_phase phase) const noexcept;
    std::shared_ptr<detail::shutdown_call> take(shutdown_phase phase, bool first);

    std::vector<std::shared_ptr<detail::shutdown_call>> calls_;  // in the order of registration
};

}  // namespace bight
