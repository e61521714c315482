// Implementation of bight/sync/barrier.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/compiler.hpp>
#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/wait_list.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

class barrier_awaiter;

/// Everything in a barrier except the completion function.
class barrier_base {
  public:
    barrier_base(const barrier_base&) = delete;
    barrier_base& operator=(const barrier_base&) = delete;

    /// `co_await b.arrive_and_wait()` returns when all participants have arrived. It gives true to the last
    /// to arrive, which does not suspend. The others go on in the next turn, in the order in which they
    /// arrived.
    ///
    /// A task that is cancelled while it waits has not arrived: the others wait for another arrival. If none
    /// will come in its place, call arrive_and_drop (from a destructor, say). Throws std::logic_error when
    /// there are no participants any more.
    barrier_awaiter arrive_and_wait() noexcept;

    /// Removes one participant, from this phase on. If only that one was missing, the phase ends. Throws what
    /// the completion throws, after the phase has ended; std::logic_error when there are no participants any
    /// more.
    void arrive_and_drop();

    /// The number of participants, and how many of them wait.
    std::size_t participants() const noexcept { return expected_; }
    std::size_t waiting() const noexcept { return waiting_; }

  protected:
    /// Throws std::invalid_argument for 0.
    explicit barrier_base(std::size_t participants);
    ~barrier_base();

  private:
    friend class barrier_awaiter;
    virtual void complete() = 0;
    std::exception_ptr end_phase() noexcept;

    wait_list<barrier_awaiter> waiters_;
    std::size_t expected_;
    std::size_t waiting_ = 0;
    thread_checker home_;
};

class [[nodiscard("co_await it"), gnu::warn_unused]] barrier_awaiter final
    : public listed_waiter,
      public awaiter_base<barrier_awaiter> {
  public:
    explicit barrier_awaiter(barrier_base& at) noexcept : at_(&at) {}
    barrier_awaiter(barrier_awaiter&&) noexcept = default;

    bool await_resume() const {
        if (error_) std::rethrow_exception(error_);
        return last_;
    }

    void cancel() noexcept override;
    void describe(std::string& out) const override;

  private:
    friend class barrier_base;
    friend awaiter_base<barrier_awaiter>;
    bool suspend(promise_base& p) noexcept;
    barrier_base* at_;
    std::exception_ptr error_;
    bool last_ = false;
    bool listed_ = false;
};

inline barrier_awaiter barrier_base::arrive_and_wait() noexcept { return barrier_awaiter{*this}; }

struct no_completion {
    void operator()() const noexcept {}
};

}  // namespace detail

}  // namespace bight
