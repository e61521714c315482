// driven_run: a run of a reactor whose turns a simulated world gives.
#pragma once

#include "reactor_state.hpp"

#include <bight/core/reactor.hpp>

namespace bight::detail {

/// Does what reactor::drive does, for a reactor whose turns a simulated world gives.
class driven_run {
  public:
    /// Starts the task. Throws std::bad_alloc; then nothing was started.
    driven_run(reactor& on, root_job_base& root, promise_base& frame) : on_(on), root_(root) {
        reactor_state::start_root(on_, root_, frame);
    }

    /// Called between turns: whether the task and its leftovers have ended.
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
