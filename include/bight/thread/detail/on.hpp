// Implementation of bight/thread/on.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/job_result.hpp>
#include <bight/core/detail/kept_task.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>
#include <bight/thread/detail/call_ticket.hpp>
#include <bight/thread/detail/distant_call.hpp>
#include <bight/thread/detail/remote_call.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

class on_waiter;

/// The side of the reactor that is called. It lives in the frame of the task that waits.
class distant_task : public distant_call {
  public:
    void describe(std::string& out) const override;

  protected:
    distant_task() noexcept;
    distant_task(distant_task&& other) noexcept : distant_call(std::move(other)) {}
    ~distant_task() = default;
    /// Throws why there is no result.
    void check_result() const;
    /// Called once by who waits, of a call that could not be given up.
    void ask_to_cancel(reactor& there) noexcept;

  private:
    friend class on_waiter;

    /// Brings the cancellation of the waiting task to the other reactor.
    class cancel_call final : public bight::detail::remote_call {
      public:
        explicit cancel_call(distant_task& of) noexcept : of_(of) {}

      private:
        void arrived() noexcept override {}
        void released(bool arrived) noexcept override;
        distant_task& of_;
    };
    /// Brings the end of the call to the reactor of the waiting task.
    class answer_call final : public bight::detail::remote_call {
      public:
        explicit answer_call(distant_task& of) noexcept : of_(of) {}

      private:
        void arrived() noexcept override {}
        void released(bool arrived) noexcept override;
        distant_task& of_;
    };

    bool may_let_go() noexcept override;
    void answered() noexcept override;

    // Set in `state_`: by the waiting task before and after it sends the cancel_call; by the other reactor
    // when there is nothing to cancel any more, so that a cancel_call is sent only to a reactor that lives.
    static constexpr unsigned char asking = 1;
    static constexpr unsigned char asked = 2;
    static constexpr unsigned char ended = 4;

    on_waiter* caller_ = nullptr;
    std::source_location called_at_;
    std::atomic<unsigned char> state_{0};
    bool cancel_came_ = false;  // for the other reactor
    cancel_call cancel_{*this};
    answer_call answer_{*this};
};

/// The side of the task that waits.
class on_waiter : public waiter {
  public:
    void cancel() noexcept override;
    void describe(std::string& out) const override { out += "a call on another reactor"; }

  protected:
    /// Throws std::bad_alloc.
    explicit on_waiter(reactor& there) : there_(&there), ticket_(std::make_unique<call_ticket>()) {}
    on_waiter(on_waiter&& other) noexcept
        : waiter(std::move(other)), there_(other.there_), ticket_(std::move(other.ticket_)) {}
    ~on_waiter() = default;
    bool call(promise_base& p, distant_task& callee) noexcept;

  private:
    friend class distant_task;
    void answered() noexcept;

    reactor* there_;
    std::unique_ptr<call_ticket> ticket_;  // null when the call was given up
    distant_task* callee_ = nullptr;
    std::optional<outside_work> outside_;  // a virtual clock stands still meanwhile
};

template <class F, class... Args>
concept kept_for_on =
    std::is_constructible_v<std::decay_t<F>, F> && (std::is_constructible_v<std::decay_t<Args>, Args> && ...);

/// A callable with its arguments.
template <class F, class... Args>
class stored_call {
  public:
    template <class G, class... As>
    explicit stored_call(G&& f, As&&... args)
        : callable_(std::forward<G>(f)), args_(std::forward<As>(args)...) {}
    decltype(auto) operator()() {
        return std::apply(
            [this](Args&... args) -> decltype(auto) { return std::invoke(callable_, std::move(args)...); },
            args_);
    }

  private:
    F callable_;
    std::tuple<Args...> args_;
};

template <class C, class R = std::invoke_result_t<C&>>
class distant_function : public distant_task {
  public:
    template <class... As>
    explicit distant_function(std::in_place_t, As&&... args)
        : callable_(std::in_place, std::forward<As>(args)...) {}
    distant_function(distant_function&&) = default;
    R take() {
        check_result();
        return result_.take();
    }

  private:
    promise_base* begin() override {
        result_.from(*callable_);
        return nullptr;
    }
    void settle() override {}
    void clear() noexcept override { callable_.reset(); }

    std::optional<C> callable_;
    job_result<R> result_;
};

template <class C, class T>
class distant_function<C, task<T>> : public distant_task {
  public:
    template <class... As>
    explicit distant_function(std::in_place_t, As&&... args)
        : callable_(std::in_place, std::forward<As>(args)...) {}
    distant_function(distant_function&& other) noexcept(std::is_nothrow_move_constructible_v<C>)
        : distant_task(std::move(other)), callable_(std::move(other.callable_)) {}
    T take() {
        check_result();
        return task_.take();
    }

  private:
    promise_base* begin() override {
        task_ = (*callable_)();
        if (!task_) misused_task();
        return &task_.become_root(*this);
    }
    void settle() override { task_.free_frame(); }
    void clear() noexcept override { callable_.reset(); }

    std::optional<C> callable_;
    kept_task<T> task_;
};

template <class F, class... Args>
class [[nodiscard("co_await it"), gnu::warn_unused]] on_awaiter final
    : public on_waiter,
      public awaiter_base<on_awaiter<F, Args...>> {
    using callee = distant_function<stored_call<F, Args...>>;

  public:
    template <class G, class... As>
    on_awaiter(reactor& there, G&& f, As&&... args)
        : on_waiter(there), callee_(std::in_place, std::forward<G>(f), std::forward<As>(args)...) {}
    on_awaiter(on_awaiter&&) = default;

    decltype(auto) await_resume() { return callee_.take(); }

  private:
    friend awaiter_base<on_awaiter>;
    bool suspend(promise_base& p) noexcept { return this->call(p, callee_); }

    callee callee_;
};

}  // namespace detail
}  // namespace bight
