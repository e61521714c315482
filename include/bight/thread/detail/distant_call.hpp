// distant_call: a call to a reactor from elsewhere, whose caller waits for the answer.
#pragma once

#include <bight/core/detail/blocked_thread.hpp>
#include <bight/core/detail/job.hpp>
#include <bight/core/detail/promise.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>
#include <bight/thread/detail/call_ticket.hpp>

#include <coroutine>
#include <exception>

namespace BIGHT_EXPORT bight {
namespace detail {

/// A job that lives where its caller waits for it: on the stack of a blocked thread (block_on), or in the
/// frame of a task of another reactor (on). It is one of the roots of the reactor that it is given to.
class distant_call : public job, public blocked_thread {
  protected:
    /// `stopped` is the message of the error for a reactor that has stopped before this could begin.
    explicit distant_call(const char* stopped) noexcept : stopped_(stopped) {}
    /// Only one that has not been submitted may be moved.
    distant_call(distant_call&& other) noexcept : job(std::move(other)), stopped_(other.stopped_) {}
    ~distant_call() = default;

    /// Posts it to `home`, by a ticket that has not been used. False when that reactor has stopped: error()
    /// says so, and there is no answer.
    bool submit(reactor& home, call_ticket& ticket) noexcept;
    /// Why it did not begin, or what begin or settle threw. After the answer only.
    const std::exception_ptr& error() const noexcept { return error_; }
    /// Whether `begin` was called.
    bool has_begun() const noexcept { return begun_; }

    // Called on the reactor's thread.

    /// Makes the task; null when there is nothing to await.
    virtual promise_base* begin() = 0;
    /// The task has ended with a value or an error.
    virtual void settle() = 0;
    /// It is over, however it ended: frees what the other reactor is to free.
    virtual void clear() noexcept {}
    /// False when the caller still sends something: then let_go is called again when that has come.
    virtual bool may_let_go() noexcept { return true; }
    /// The answer: the reactor no longer uses this object, which may be gone when the call returns.
    virtual void answered() noexcept = 0;

    void cancel_begun() noexcept override;
    /// This object must not be used after it.
    void let_go() noexcept;

  private:
    friend class call_ticket;

    /// The reactor has come to it.
    void arrived() noexcept;
    /// The ticket is no longer used. `arrived` is false when the reactor was destroyed before it came to
    /// this.
    void released(bool arrived) noexcept;
    std::coroutine_handle<> finished() noexcept override;
    void reap() noexcept override;
    void abandon() noexcept override;

    reactor* reactor_ = nullptr;
    const char* stopped_;
    std::exception_ptr error_;
    bool over_ = false;  // nothing more to run
    bool begun_ = false;
    bool started_ = false;  // it is one of the reactor's roots
};

}  // namespace detail
}  // namespace bight
