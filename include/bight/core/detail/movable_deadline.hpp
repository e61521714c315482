// Implementation of bight/core/movable_deadline.hpp.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/lazy_timeout.hpp>
#include <bight/core/detail/timeout.hpp>
#include <bight/core/export.hpp>

#include <coroutine>
#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {

class movable_deadline;

namespace detail {

template <class T>
class moved_timeout_scope : public lazy_timeout_scope<T>, public awaiter_base<moved_timeout_scope<T>> {
  public:
    moved_timeout_scope(task<T>&& t, movable_deadline& by) noexcept
        : lazy_timeout_scope<T>(std::move(t)), by_(&by) {}
    moved_timeout_scope(moved_timeout_scope&&) noexcept = default;

    void describe(std::string& out) const override {
        out += "a task with a movable deadline";
        this->describe_time_left(out);
    }

  protected:
    ~moved_timeout_scope() = default;
    [[noreturn]] static void throw_timed_out() { detail::throw_timed_out(); }

  private:
    friend awaiter_base<moved_timeout_scope>;
    std::coroutine_handle<> suspend(promise_base& p);
    void over() noexcept override;

    movable_deadline* by_;
};

template <class T>
using moved_timeout_awaiter = timeout_awaiter<T, moved_timeout_scope<T>>;
template <class T>
using optional_moved_timeout_awaiter = optional_timeout_awaiter<T, moved_timeout_scope<T>>;

}  // namespace detail
}  // namespace bight
