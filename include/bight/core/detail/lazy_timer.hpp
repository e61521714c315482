// lazy_timer: a timer whose deadline is moved often.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

#include <string>

namespace BIGHT_EXPORT bight {

class reactor;

namespace detail {

/// A timer for a deadline that moves with every byte of a connection, say: a move to a later time only stores
/// it. The heap of timers learns of it when the former deadline has come.
class lazy_timer : private timer {
  public:
    lazy_timer() noexcept = default;
    /// Only one that has not been started may be moved.
    lazy_timer(lazy_timer&&) noexcept : timer() {}

    void move(time_point due) noexcept {
        due_ = due;
        if (armed() && due < deadline()) [[unlikely]]
            arm_again();
    }

  protected:
    ~lazy_timer() = default;
    void start(reactor& home, time_point due) noexcept;
    void stop() noexcept;
    /// As append_time_left.
    void describe_time_left(std::string& out) const;
    /// The deadline has passed; called between tasks, as timer::expired. It may be started again.
    virtual void overdue() noexcept = 0;

  private:
    void expired() noexcept final;
    void arm_again() noexcept;

    reactor* home_ = nullptr;
    time_point due_{};
};

}  // namespace detail
}  // namespace bight
