// Reactors on the threads of a simulated host.
#include "driven_run.hpp"
#include "reactor_state.hpp"
#include "simulated_thread.hpp"

#include <bight/core/reactor.hpp>

namespace bight {

using namespace detail;

// The world gives the turns until the run is over; when the world ends, this function does.
void reactor::drive_simulated(simulated_thread& thread, root_job_base& root, promise_base& frame) {
    struct end_of_run final : simulated_thread::condition {
        explicit end_of_run(driven_run& r) noexcept : run(r) {}
        bool holds() override { return run.over(); }
        driven_run& run;
    };
    platform& here = *state_->lives_in;
    driven_run run(*this, root, frame);
    end_of_run over(run);
    thread.give_turns(here, true);
    const bool ended = thread.wait(over);
    thread.give_turns(here, false);
    if (ended) return;
    stop_now();
    while (!run.over()) run_once(duration::max());
}

// Waits for tasks that take time to end, unless the world ends.
void reactor::end_simulated(simulated_thread& thread) {
    struct nothing_left final : simulated_thread::condition {
        explicit nothing_left(const reactor_state& s) noexcept : state(s) {}
        bool holds() override { return state.roots.empty() && state.leftovers == 0; }
        const reactor_state& state;
    };
    nothing_left over(*state_);
    if (over.holds()) return;
    stop_now();
    thread.give_turns(*state_->lives_in, true);
    thread.wait(over);
    thread.give_turns(*state_->lives_in, false);
}

}  // namespace bight
