// grace_timer, leftover: deadlines that a stop brings forward, and work that outlives its owner.
#pragma once

#include <bight/core/detail/intrusive_list.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>

namespace BIGHT_EXPORT bight {

class reactor;

namespace detail {

/// A grace period during shutdown: a timer that reactor::stop_now makes expire at once.
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
    bool outlives_ = false;  // whether it is a leftover
    bool awaited_ = false;   // a run waits only for leftovers, and this is one of them
    bool hurried_ = false;
};

/// Work that continues for a while after its owner has gone: a connection that is being closed. The reactor
/// owns it from arm_grace to disarm_grace: `run` waits for the leftovers of its task, and a stop limits them.
class leftover : public grace_timer {
  public:
    /// Nothing else is left to run: ends as soon as it can without losing data.
    virtual void hurry() noexcept = 0;
    /// Ends at `latest` at the latest.
    virtual void limit(time_point latest) noexcept = 0;

  protected:
    leftover() noexcept { outlives_ = true; }
    ~leftover() = default;
};

}  // namespace detail
}  // namespace bight
