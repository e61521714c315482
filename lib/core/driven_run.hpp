// What reactor::run does, where somebody else gives the reactor its turns.
#pragma once

#include "reactor_state.hpp"

#include <bight/core/reactor.hpp>

namespace bight::detail {

/// One run of a reactor that a simulated world gives its turns; see reactor::drive.
class driven_run {
  public:
    /// Starts the task. Throws std::bad_alloc, having done nothing.
    driven_run(reactor& on, root_job_base& root, promise_base& frame) : on_(on), root_(root) {
        reactor_state::start_root(on_, root_, frame);
    }

    /// To be asked between turns: whether the task has ended, and what it has left behind.
    bool over() noexcept {
        if (stage_ == stage::runs) {
            if (root_.result() == outcome::pending) return false;
            root_.free_frame();
            reactor_state::remove_root(on_, root_);
            stage_ = stage::winds_up;
        }
        if (stage_ == stage::winds_up) {
            if (reactor_state::winds_up(on_)) return false;
            reactor_state::end_winding_up(on_);
            reactor_state::end_stop(on_);
            stage_ = stage::over;
        }
        return true;
    }

  private:
    enum class stage : unsigned char { runs, winds_up, over };

    reactor& on_;
    root_job_base& root_;
    stage stage_ = stage::runs;
};

}  // namespace bight::detail
