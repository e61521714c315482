// Implementation of async_on (bight/with/asio.hpp): a handler of Asio waits for a task.
#pragma once

#include <bight/core/detail/job.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>
#include <bight/thread/detail/call_ticket.hpp>
#include <bight/thread/detail/on.hpp>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

template <class R>
struct given_by_call {
    using type = R;
};
template <class T>
struct given_by_call<task<T>> {
    using type = T;
};

template <class T>
struct signature_of_call {
    static_assert(
        std::is_default_constructible_v<T>,
        "async_on: Asio hands an empty result over beside an error, so the type of the result must be "
        "default-constructible: a std::optional of it is");
    using type = void(std::exception_ptr, T);
};
template <>
struct signature_of_call<void> {
    using type = void(std::exception_ptr);
};

/// The call to the reactor, whatever is called back. Shared by the reactor, from the submission to the
/// answer, and by the function that brings the answer to the handler's executor; there it is destroyed.
template <class F>
class call_from_asio : public distant_function<F>, public std::enable_shared_from_this<call_from_asio<F>> {
  public:
    using value_type = std::decay_t<typename given_by_call<std::invoke_result_t<F&>>::type>;
    using signature = typename signature_of_call<value_type>::type;

    template <class Handler>
    static void begin_with(Handler handler, reactor& there, F&& f);

    void describe(std::string& out) const override { out += "a call by bight::async_on"; }

  protected:
    call_from_asio(reactor& there, F&& f)
        : distant_function<F>(std::in_place, std::move(f)),
          there_(there),
          ticket_(std::make_unique<call_ticket>()) {}
    ~call_from_asio() = default;

    void submit_shared() noexcept {
        running_ = this->shared_from_this();
        if (this->submit(there_, *ticket_)) return;
        ticket_.reset();  // it was not sent: there is nothing to give up
        answered();
    }
    /// By the cancellation slot, on the handler's executor.
    void ask() noexcept {
        if (asked_ || !ticket_) return;
        asked_ = true;
        if (ticket_->give_up()) {
            (void)ticket_.release();
            given_up_ = true;
            answered();
        } else {
            this->ask_to_cancel(there_);
        }
    }
    /// What is to be told beside the value, or instead of it.
    bool aborted() const noexcept {
        return asked_ && (given_up_ || !this->has_begun() || this->result() == outcome::cancelled);
    }
    std::shared_ptr<call_from_asio> answer_taken() noexcept { return std::move(running_); }

  private:
    void answered() noexcept override = 0;

    reactor& there_;
    std::unique_ptr<call_ticket> ticket_;  // null when the call was refused, or given up
    std::shared_ptr<call_from_asio> running_;
    bool asked_ = false;
    bool given_up_ = false;
};

template <class Handler, class F>
class handled_call final : public call_from_asio<F> {
    using base = call_from_asio<F>;
    using value_type = typename base::value_type;

  public:
    handled_call(Handler&& handler, reactor& there, F&& f)
        : base(there, std::move(f)),
          handler_(std::move(handler)),
          executor_(asio::get_associated_executor(handler_)) {}

    /// Thread: that of the initiation.
    void begin_call() {
        // Not owned by the slot: that belongs to the handler, or to whoever made it.
        auto slot = asio::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) {
            slot.assign(
                [weak = std::weak_ptr<base>(this->shared_from_this())](asio::cancellation_type_t type) {
                    if (type == asio::cancellation_type::none) return;
                    if (const auto call = weak.lock()) static_cast<handled_call&>(*call).ask();
                });
        }
        this->submit_shared();
    }

  private:
    void answered() noexcept override {
        const auto until_posted(executor_);  // its context may be gone as soon as it has no more work
        asio::post(executor_.get_executor(), [mine = this->answer_taken()]() mutable {
            static_cast<handled_call&>(*mine).complete(std::move(mine));
        });
    }

    // On the handler's executor. The memory is free when the handler is called.
    void complete(std::shared_ptr<base> mine) {
        auto slot = asio::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) slot.clear();
        Handler handler(std::move(handler_));
        const auto work(std::move(executor_));
        std::exception_ptr error;
        if constexpr (std::is_void_v<value_type>) {
            try {
                throw_or_take();
            } catch (...) {
                error = std::current_exception();
            }
            mine.reset();
            std::move(handler)(error);
        } else {
            std::optional<value_type> value;
            try {
                value.emplace(throw_or_take());
            } catch (...) {
                error = std::current_exception();
                value.emplace();
            }
            mine.reset();
            std::move(handler)(error, std::move(*value));
        }
    }
    value_type throw_or_take() {
        if (this->aborted()) throw std::system_error(asio::error::operation_aborted, "bight::async_on");
        return this->take();
    }

    Handler handler_;
    asio::executor_work_guard<asio::associated_executor_t<Handler>> executor_;
};

template <class F>
template <class Handler>
void call_from_asio<F>::begin_with(Handler handler, reactor& there, F&& f) {
    std::make_shared<handled_call<Handler, F>>(std::move(handler), there, std::move(f))->begin_call();
}

}  // namespace detail
}  // namespace bight
