// serving: the scope of a server, with its accepting task and its connections.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/lazy_timer.hpp>
#include <bight/core/detail/scope.hpp>
#include <bight/core/detail/spawned_jobs.hpp>
#include <bight/io/detail/activity.hpp>
#include <bight/net/detail/draining.hpp>
#include <bight/net/serve.hpp>

#include <cstdint>
#include <memory>

namespace bight::detail {

class serving;
class connection_job;

/// Cancels the coroutine of a connection that is idle.
class idle_limit final : private lazy_timer, public pooled {
  public:
    idle_limit(connection_job& c, transport& t, duration limit) noexcept;
    ~idle_limit();

  private:
    void overdue() noexcept override;

    connection_job& connection_;
    activity_watch watch_;
};

/// The job of one connection. It is deleted when its coroutine has ended and its connection is closed.
class connection_job final : public spawned_job<connection_job> {
  public:
    connection_job(serving& server, transport& t, std::uint64_t number) noexcept;
    void describe(std::string& out) const override;
    const void* find_local(const void* key) const noexcept override;

  private:
    friend class serving;

    ~connection_job();
    /// Throws std::bad_alloc.
    void limit_idleness(duration limit) { idle_ = std::make_unique<idle_limit>(*this, transport_, limit); }
    std::coroutine_handle<> finished() noexcept override;
    void reap() noexcept override;
    /// End a connection that is being closed: as soon as nothing is lost by that, or at once.
    void hurry() noexcept;
    void end_now() noexcept;

    serving& server_;
    transport& transport_;              // kept, to know when it is closed
    std::unique_ptr<idle_limit> idle_;  // null when there is none, and when its coroutine has ended
    std::uint64_t number_ : 63;         // counted from 1 for each server
    bool closing_ : 1 = false;
};

/// Awaits the end of a server. Cancellation, or an error of accepting, ends it in three steps: it accepts no
/// more connections; existing ones may end by themselves until the drain deadline; then they are cancelled.
/// The awaiting task goes on when none is left.
class serving final : public scope, public awaiter_base<serving>, private grace_timer {
  public:
    serving(listener& l, const serve_options& options, protocol& p) noexcept
        : listener_(l), options_(options), protocol_(p) {}

    void await_resume() { accepting_.take(); }

    void cancel() noexcept override;
    void describe(std::string& out) const override;
    void visit_jobs(void (*visit)(const job&, void*), void* context) const override;

  private:
    friend class connection_job;
    friend awaiter_base<serving>;
    std::coroutine_handle<> suspend(promise_base& p) {
        accepting_.give(accept_all());  // may throw, and nothing may from begin on
        if (!begin(p)) return std::noop_coroutine();
        accepting_running_ = true;
        return accepting_.launch_now(*this, home(), owner());
    }
    class room_awaiter;

    void say_that_it_drains() noexcept;
    void say_that_the_drain_is_over() const noexcept;
    task<> accept_all();
    void begin_connection(stream peer) noexcept;
    void refused(std::error_code why) noexcept;
    void connection_closes(connection_job& c) noexcept;
    void make_room() noexcept;
    void connection_ended(connection_job& c) noexcept;
    std::coroutine_handle<> child_finished(job& accepting) noexcept override;
    void expired() noexcept override;

    listener& listener_;
    const serve_options& options_;
    protocol& protocol_;
    child_job<void> accepting_;
    room_awaiter* waiting_for_room_ = nullptr;
    spawned_jobs<connection_job> connections_;
    drain_signal drain_;
    std::uint64_t accepted_ = 0;
    bool accepting_running_ = false;
    bool cancelling_ = false;  // the drain deadline is over
    bool warned_ = false;      // that connections are refused
};

}  // namespace bight::detail
