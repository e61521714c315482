// alert_listener: called by a reactor that was alerted.
#pragma once

#include <bight/core/detail/intrusive_list.hpp>

namespace bight::detail {

/// What wants to know that its reactor was alerted (reactor_state::alert): by a signal handler, which can do
/// nothing else. It is listed with reactor_state::listen_for_alerts. Thread: its reactor's.
class alert_listener : public list_hook<alert_listener> {
  public:
    /// The reactor was alerted, for this listener or another one. Runs no code of the program, and unlists
    /// none but itself.
    virtual void alerted() noexcept = 0;
    /// The reactor is about to be freed, and has unlisted it.
    virtual void reactor_goes() noexcept = 0;

  protected:
    alert_listener() noexcept = default;
    ~alert_listener() = default;
};

}  // namespace bight::detail
