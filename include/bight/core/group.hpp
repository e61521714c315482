// group: a scope in which tasks are started and awaited together (a nursery).
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/borrowed_arguments.hpp>
#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/detail/group.hpp>
#include <bight/core/detail/refused.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/export.hpp>
#include <bight/core/spawned_task.hpp>
#include <bight/core/task.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {

/// Of one call of with_group.
struct group_options {
    /// How many of the spawned tasks run at once; the others begin in their order, each when one has ended.
    /// 0: all.
    std::size_t limit = 0;
};
static_assert(std::is_trivially_destructible_v<group_options>);  // see reactor_options

/// Tasks started in a group run concurrently with each other and with the body of with_group; all of them
/// have ended when with_group returns. The first error cancels the others and the body. Thread: the
/// reactor's; in debug builds (without NDEBUG) spawning on another thread while the group runs ends the
/// process.
class group : public detail::scope {
  public:
    /// Starts `f(args…)`, which gives a task<>, in the next turn. The callable and the arguments are stored
    /// until that task has ended, so a lambda that captures is safe here; arguments are moved into the call
    /// (std::ref for references). In a cancelled group the task never begins. Throws what copying and calling
    /// throw, and std::bad_alloc; then nothing was started. The handle that it returns may be ignored.
    template <class F, class... Args>
        requires detail::spawnable<F, Args...>
    spawned_task spawn(F&& f, Args&&... args) {
        static_assert(
            !detail::call_leaves_temporaries<std::decay_t<F>, std::decay_t<Args>...>(),
            "spawn would have to make a temporary for a parameter that is a reference, and the task "
            "outlives it: give an argument of the parameter's own type (std::string(\"text\") for a "
            "const std::string&), or take the parameter by value");
        constexpr bool can_be_kept = std::is_constructible_v<std::decay_t<F>, F> &&
                                     (std::is_constructible_v<std::decay_t<Args>, Args> && ...);
        static_assert(
            can_be_kept,
            "spawn keeps copies of the callable and of its arguments, and one of these cannot be copied: "
            "give what moves only (a stream, a std::unique_ptr) as std::move(x), and what is shared as "
            "std::ref(x)");
        if constexpr (can_be_kept) {
            check_thread();
            using call = detail::group_call<std::decay_t<F>, std::decay_t<Args>...>;
            auto* made = new call(std::forward<F>(f), std::forward<Args>(args)...);
            guard owned{made};
            task<> t = made->make();
            owned.job = nullptr;
            start(*made, std::move(t), std::source_location());
            return spawned_task(*this, *made);
        } else {
            return spawned_task();
        }
    }
    template <class F, class... Args>
        requires(!detail::spawnable<F, Args...> && !(sizeof...(Args) < 2 && std::is_convertible_v<F, task<>>))
    void spawn(F&&, Args&&...) {
        static_assert(detail::never<F>,
                      "spawn(f, arguments...) stores copies of f and of the arguments, and f, called with "
                      "these, must give a task<>: for a parameter T& write std::ref(x), for an overloaded or "
                      "a template function a lambda that calls it");
    }
    /// Starts an existing task in the next turn, after the full expression that made it has ended. So its
    /// coroutine must not be the body of a lambda with captures, nor have a parameter that is a const or
    /// rvalue reference, which might refer to a temporary: this ends the process, with a message that names
    /// the line. Give spawn the callable and the arguments instead, which it stores.
    spawned_task spawn(task<> t, std::source_location where = std::source_location::current()) {
        check_thread();
        t.refuse_borrowed("group::spawn", where);
        auto* made = new detail::group_plain;
        start(*made, std::move(t), where);
        return spawned_task(*this, *made);
    }

    /// Cancels all tasks of the group, the body among them; with_group then returns normally.
    void cancel() noexcept override;
    bool cancelled() const noexcept { return cancelled_; }
    /// The number of spawned tasks that have not ended; it includes those that have not begun.
    std::size_t size() const noexcept { return jobs_.size() + unbegun_.size(); }

    void describe(std::string& out) const override;
    void visit_jobs(void (*visit)(const detail::job&, void*), void* context) const override;

  protected:
    explicit group(const group_options& options) noexcept : limit_(options.limit) {}
    group(group&&) noexcept = default;
    ~group() = default;
    std::coroutine_handle<> body_started(task<>&& body) noexcept;
    void throw_failures() const { errors_.throw_all(); }

  private:
    friend class detail::group_job;
    friend class spawned_task;
    struct guard {
        detail::group_job* job;
        ~guard() { delete job; }
    };

    void check_thread() const noexcept {
#ifndef NDEBUG
        check_not_elsewhere();
#endif
    }
    void check_not_elsewhere() const noexcept;
    void start(detail::group_job& job, task<>&& t, std::source_location where) noexcept;
    void begin_job(detail::group_job& job) noexcept;
    void begin_next() noexcept;
    void cancel_one(detail::group_job& job) noexcept;
    void ended(detail::group_job& job) noexcept;
    void failed(detail::job& job, const std::exception_ptr& error) noexcept;
    std::coroutine_handle<> child_finished(detail::job& body) noexcept override;
    bool was_cut_short() const noexcept;

    detail::child_job<void> body_;
    detail::spawned_jobs<detail::group_job> jobs_;
    detail::counted_list<detail::group_job> unbegun_;  // over the limit, in their order
    std::size_t limit_;
    detail::error_list errors_;
    bool body_running_ = false;
    bool cancelled_ = false;
    bool cut_short_ = false;  // a task ended by cancellation
};

// Here, so that a handle that is thrown away costs next to nothing.
inline spawned_task::spawned_task(group& scope, detail::group_job& job) noexcept
    : scope_(&scope), job_(&job) {
    job.handle_ = this;
}
inline void spawned_task::forget() noexcept {
    waiters_.check_empty("the handle of a task of a group");
    job_->handle_ = nullptr;
}

namespace detail {

template <class F>
class [[nodiscard("co_await it"), gnu::warn_unused]] group_awaiter final
    : public group,
      public awaiter_base<group_awaiter<F>> {
  public:
    group_awaiter(const group_options& options, F&& body) : group(options), body_callable_(std::move(body)) {}

    void await_resume() const { throw_failures(); }

  private:
    friend awaiter_base<group_awaiter>;
    std::coroutine_handle<> suspend(promise_base& p) {
        task<> body = await_body(*this);  // may throw, and nothing may from begin on
        if (!begin(p)) return std::noop_coroutine();
        return body_started(std::move(body));
    }
    // A coroutine of its own, so that what calling the body throws is an error like any other.
    static task<> await_body(group_awaiter& self) {
        group& g = self;
        if constexpr (std::is_void_v<std::invoke_result_t<F&, group&>>) {
            self.body_callable_(g);
            co_return;
        } else {
            co_await self.body_callable_(g);
        }
    }
    F body_callable_;
};

}  // namespace detail

/// Opens a group and runs `body(group)` in it; returns when the body and all spawned tasks have ended. The
/// body gives a task<>, or nothing when it only spawns. `body` is stored until the end, so a lambda with
/// captures is safe. (With g++, name a lambda that captures an object with a destructor by value, and move it
/// in: GCC PR 99576.) Throws the error of the one task that failed, or an aggregate_error. A cancellation
/// from outside cancels all tasks, waits for them, and is passed on.
///
///     co_await bight::with_group([&](bight::group& g) -> bight::task<> {
///         g.spawn(reader, std::ref(peer));
///         co_await writer(peer);
///     });
template <class F>
    requires std::is_invocable_r_v<task<>, F&, group&> || std::is_void_v<std::invoke_result_t<F&, group&>>
detail::group_awaiter<F> with_group(F body) {
    return detail::group_awaiter<F>{group_options(), std::move(body)};
}

/// The same, as `options` say.
///
///     co_await bight::with_group({.limit = 8}, [&](bight::group& g) {
///         for (const auto& url : urls) g.spawn(fetch, url);
///     });
template <class F>
    requires std::is_invocable_r_v<task<>, F&, group&> || std::is_void_v<std::invoke_result_t<F&, group&>>
detail::group_awaiter<F> with_group(const group_options& options, F body) {
    return detail::group_awaiter<F>{options, std::move(body)};
}
// What no other overload takes.
template <class Here = decltype([] {}), bool fits = false>
auto with_group(detail::anything = {}, detail::anything = {}) {
    static_assert(
        fits,
        "with_group(body), or with_group(options, body), calls the body with a group&, and the body "
        "gives a task<>, or nothing when it only spawns: "
        "with_group([&](bight::group& g) -> bight::task<> { ... })");
    return detail::refused_operation();
}

}  // namespace bight
