// Implementation of use_task (bight/with/asio.hpp): a task awaits an operation of Asio.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/error.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/thread/detail/remote_call.hpp>
#include <bight/with/detail/asio_outcome.hpp>

#include <asio/cancellation_signal.hpp>
#include <asio/dispatch.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/system_executor.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// Waits for an operation of Asio, whatever its type. Whatever Asio holds of it (the function that begins it,
/// its handler, a request to end) is counted; the last that Asio lets go of sends the answer. Only then may
/// the task go on, and its frame be destroyed.
class asio_waiter : public waiter, private timer {
  public:
    void cancel() noexcept override {
        // Without a holder the answer is on its way.
        unsigned held = holders_.load(std::memory_order_relaxed);
        do {
            if (held == 0) return;
        } while (!holders_.compare_exchange_weak(held, held + 1, std::memory_order_relaxed));
        const hold mine(*this, adopt_hold{});
        try {
            ask_to_end();
        } catch (...) {
            outside_.reset();  // so that a virtual clock comes to the time of the next request
            reactor_access::arm(home(), *this, saturating_add(home().now(), std::chrono::milliseconds(10)));
        }
    }
    void describe(std::string& out) const override { out += "an operation of Asio"; }

  protected:
    struct adopt_hold {};
    /// One holder; copied and destroyed by any thread.
    class hold {
      public:
        explicit hold(asio_waiter& of) noexcept : of_(&of) {
            of.holders_.fetch_add(1, std::memory_order_relaxed);
        }
        hold(asio_waiter& of, adopt_hold) noexcept : of_(&of) {}
        hold(const hold& other) noexcept : of_(other.of_) {
            if (of_) of_->holders_.fetch_add(1, std::memory_order_relaxed);
        }
        hold(hold&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
        hold& operator=(hold&&) = delete;
        ~hold() {
            if (of_) of_->let_go();
        }

      private:
        asio_waiter* of_;
    };

    asio_waiter() noexcept = default;
    asio_waiter(asio_waiter&& other) noexcept : waiter(std::move(other)), timer() {}
    ~asio_waiter() = default;

    // Called by Asio's thread.
    asio::cancellation_signal& signal() noexcept { return signal_; }
    void fail(std::exception_ptr why) noexcept { failure_ = std::move(why); }

    // Called by the reactor's.
    bool start(promise_base& p) noexcept {
        if (!begin(p)) return true;
        outside_.emplace(home());
        const hold mine(*this);
        try {
            begin_operation();
        } catch (...) {
            fail(std::current_exception());
        }
        return true;
    }
    void throw_failure() {
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    }
    [[noreturn]] static void throw_dropped() {
        throw std::system_error(
            errc::closed, "an operation of Asio was dropped: its execution context was destroyed first");
    }

  private:
    /// Brings the end of the operation to the reactor.
    class answer final : public remote_call {
      public:
        explicit answer(asio_waiter& of) noexcept : of_(of) {}

      private:
        void arrived() noexcept override {}
        void released(bool) noexcept override { of_.answered(); }
        asio_waiter& of_;
    };

    virtual void begin_operation() = 0;
    virtual void ask_to_end() = 0;
    /// Asio holds nothing of it any more: what refers to an execution context goes, for that may be gone when
    /// the task goes on.
    virtual void forget_context() noexcept = 0;
    /// There is no result, or it says that the operation was cancelled.
    virtual bool ended_without_result() noexcept = 0;

    // Acquire and release: what Asio's thread has written is there when the reactor's looks.
    void let_go() noexcept {
        if (holders_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        forget_context();
        answer_.send(home());
    }
    void answered() noexcept {
        if (armed()) reactor_access::disarm(home(), *this);
        outside_.reset();
        if (owner().cancel_requested() && !failure_ && ended_without_result()) {
            confirm_cancel();
        } else {
            ready();
        }
    }
    void expired() noexcept override {
        outside_.emplace(home());
        cancel();
    }

    std::atomic<unsigned> holders_{0};
    std::optional<outside_work> outside_;  // a virtual clock stands still meanwhile
    asio::cancellation_signal signal_;
    std::exception_ptr failure_;  // of beginning it
    answer answer_{*this};
};

template <class Initiation>
concept has_executor = requires(const Initiation& i) { i.get_executor(); };

template <class Initiation>
auto executor_of_asio(const Initiation& i) noexcept {
    if constexpr (has_executor<Initiation>) {
        return i.get_executor();
    } else {
        return asio::system_executor();  // runs at once what is dispatched to it
    }
}

template <class Outcome, class Initiation, class... InitArgs>
class [[nodiscard("co_await it"), gnu::warn_unused]] operation_of_asio final
    : public asio_waiter,
      public awaiter_base<operation_of_asio<Outcome, Initiation, InitArgs...>> {
  public:
    template <class I, class... As>
    explicit operation_of_asio(I&& initiation, As&&... args)
        : in_asio_(std::in_place, std::forward<I>(initiation), std::forward<As>(args)...) {}
    operation_of_asio(operation_of_asio&&) = default;

    auto await_resume() {
        check();
        return outcome_->take();
    }
    auto take_result()
        requires requires(Outcome& o) { o.take_result(); }
    {
        check();
        return outcome_->take_result();
    }

  private:
    friend awaiter_base<operation_of_asio>;

    /// What Asio calls when the operation has ended; destroyed without a call when it drops the operation.
    class handler {
      public:
        using cancellation_slot_type = asio::cancellation_slot;

        explicit handler(operation_of_asio& of) noexcept : of_(&of), hold_(of) {}
        // Without an executor nothing would keep a request to end from meeting the end.
        cancellation_slot_type get_cancellation_slot() const noexcept {
            return has_executor<Initiation> ? of_->signal().slot() : cancellation_slot_type();
        }
        template <class... Args>
        void operator()(Args&&... args) {
            const hold until_the_end(std::move(hold_));
            of_->signal().slot().clear();
            try {
                of_->outcome_.emplace(std::forward<Args>(args)...);
            } catch (...) {
                of_->fail(std::current_exception());
            }
        }

      private:
        operation_of_asio* of_;
        hold hold_;
    };

    bool suspend(promise_base& p) noexcept { return this->start(p); }
    void begin_operation() override {
        const auto until_dispatched = asio::make_work_guard(in_asio_->executor);
        asio::dispatch(in_asio_->executor, [this, mine = hold(*this)] {
            try {
                std::apply(
                    [this](InitArgs&... args) {
                        std::move(in_asio_->initiation)(handler(*this), std::move(args)...);
                    },
                    in_asio_->args);
            } catch (...) {
                this->fail(std::current_exception());
            }
        });
    }
    void ask_to_end() override {
        if constexpr (!has_executor<Initiation>) return;
        const auto until_posted = asio::make_work_guard(in_asio_->executor);
        asio::post(in_asio_->executor,
                   [this, mine = hold(*this)] { this->signal().emit(asio::cancellation_type::terminal); });
    }
    void forget_context() noexcept override { in_asio_.reset(); }
    bool ended_without_result() noexcept override { return !outcome_ || outcome_->aborted(); }
    void check() {
        this->throw_failure();
        if (!outcome_) asio_waiter::throw_dropped();
    }

    struct parts {
        template <class I, class... As>
        explicit parts(I&& i, As&&... as)
            : executor(executor_of_asio(i)), initiation(std::forward<I>(i)), args(std::forward<As>(as)...) {}
        decltype(executor_of_asio(std::declval<const Initiation&>())) executor;
        Initiation initiation;
        std::tuple<InitArgs...> args;
    };
    std::optional<parts> in_asio_;  // until Asio holds nothing of it
    std::optional<Outcome> outcome_;
};

}  // namespace detail
}  // namespace bight
