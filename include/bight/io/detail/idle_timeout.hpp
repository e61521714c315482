// Implementation of bight/io/idle_timeout.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/lazy_timeout.hpp>
#include <bight/core/detail/timeout.hpp>
#include <bight/core/export.hpp>
#include <bight/io/detail/activity.hpp>
#include <bight/io/transport.hpp>

#include <coroutine>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {

class stream;

namespace detail {

/// Throws std::system_error for an empty stream.
transport& transport_to_watch(const stream& s);
/// Throws std::system_error unless all belong to `home`.
void check_watches(std::span<const activity_watch> watches, const reactor& home);
void begin_watches(std::span<activity_watch> watches, lazy_timer& idle, duration limit) noexcept;
void end_watches(std::span<activity_watch> watches) noexcept;
/// Whether a long write goes on, which moves the time-out. Called when nothing else has.
bool any_write_advances(std::span<activity_watch> watches) noexcept;
/// "nothing was read or written for 30 s".
std::string idle_for(duration limit);
[[noreturn]] void throw_idle(duration limit);

/// Runs a task until its transports are idle.
template <class T, std::size_t N>
class idle_timeout_scope : public lazy_timeout_scope<T>, public awaiter_base<idle_timeout_scope<T, N>> {
  public:
    template <class... Transports>
    idle_timeout_scope(task<T>&& t, duration limit, Transports&... watched) noexcept
        : lazy_timeout_scope<T>(std::move(t)), watches_{activity_watch(watched)...}, limit_(limit) {}
    idle_timeout_scope(idle_timeout_scope&&) noexcept = default;

    void describe(std::string& out) const override {
        out += "a task with an idle time-out";
        this->describe_time_left(out);
    }

  protected:
    ~idle_timeout_scope() = default;
    [[noreturn]] void throw_timed_out() const { throw_idle(limit_); }

  private:
    friend awaiter_base<idle_timeout_scope>;
    std::coroutine_handle<> suspend(promise_base& p) {
        check_watches(watches_, p.owner().home());  // may throw, and nothing may from begin on
        if (!this->begin(p)) return std::noop_coroutine();
        begin_watches(watches_, *this, limit_);
        return this->launch(saturating_add(this->home().now(), limit_));
    }
    void over() noexcept override { end_watches(watches_); }
    void overdue() noexcept override {
        if (any_write_advances(watches_)) {
            this->start(this->home(), saturating_add(this->home().now(), limit_));
        } else {
            this->cancel();
        }
    }

    activity_watch watches_[N];
    duration limit_;
};

template <class T, std::size_t N>
using idle_timeout_awaiter = timeout_awaiter<T, idle_timeout_scope<T, N>>;
template <class T, std::size_t N>
using optional_idle_timeout_awaiter = optional_timeout_awaiter<T, idle_timeout_scope<T, N>>;

}  // namespace detail
}  // namespace bight
