// What a stop bounds: the last patience of tasks, and what goes on after its owner.
#pragma once

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

namespace BIGHT_EXPORT bight {

class reactor;

namespace detail {

/// The last bit of patience of a shutdown: a timer that reactor::stop_now expires at once.
class grace_timer : public timer, public list_hook<grace_timer> {
  public:
    grace_timer() noexcept = default;
    grace_timer(grace_timer&&) noexcept : timer() {}

  protected:
    ~grace_timer() = default;
    /// The reactor was asked to stop, and has cancelled its tasks. It may arm this anew.
    virtual void stop_begins() noexcept {}

  private:
    friend class bight::reactor;
    friend class leftover;
    bool listed_ = false;
    bool outlives_ = false;  // it is a leftover
    bool awaited_ = false;   // by a run that has ended but for it
    bool hurried_ = false;
};

/// What goes on after its owner has gone, by itself and for a while: a connection that is being closed. The
/// reactor owns it from arm_grace to disarm_grace: `run` waits for those that its task has left behind, and a
/// stop bounds them.
class leftover : public grace_timer {
  public:
    /// Nobody has anything to do but this one: it ends as soon as nothing is lost by that.
    virtual void hurry() noexcept = 0;
    /// It ends at `latest`, if not before.
    virtual void limit(time_point latest) noexcept = 0;

  protected:
    leftover() noexcept { outlives_ = true; }
    ~leftover() = default;
};

}  // namespace detail
}  // namespace bight
